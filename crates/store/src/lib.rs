//! Remembers: accounts, images, analyses, policies, evaluations, tasks, blobs.
