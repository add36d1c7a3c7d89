//! Turns results into documents: content types, SBOM formats, SARIF, tables.
