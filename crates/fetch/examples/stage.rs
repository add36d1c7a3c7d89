//! Stages an image, reads all of its layers to their verified ends, and says how long that took.
//!
//! `cargo run --release -p killick-fetch --example stage -- SOURCE [plain-http] [user=NAME:PASSWORD] [ca=FILE]
//! [platform=OS/ARCHITECTURE]`

#![expect(clippy::print_stdout, reason = "what an example is for")]

use std::io::{self, Read as _};
use std::thread;
use std::time::Instant;

use killick_fetch::{Credentials, Source, StageOptions, stage};
use killick_model::hint::Hint as _;
use killick_model::image::StagedLayer;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let source = Source::parse(&arguments.next().ok_or("which source?")?)?;
    let mut options = StageOptions::default();
    for argument in arguments {
        match argument.split_once('=') {
            None if argument == "plain-http" => options.registry.plain_http = true,
            Some(("user", pair)) => {
                let (user, password) = pair.split_once(':').ok_or("user=NAME:PASSWORD")?;
                options.registry.credentials = Some(Credentials::password(user, password));
            }
            Some(("ca", file)) => options.registry.extra_ca_pem = Some(fs_err::read(file)?),
            Some(("platform", text)) => options.platform = Some(text.parse()?),
            _ => return Err(format!("what is `{argument}`?").into()),
        }
    }
    let begin = Instant::now();
    let image = match stage(&source, &options).await {
        Ok(image) => image,
        Err(error) => {
            if let Some(hint) = error.hint() {
                println!("hint: {hint}");
            }
            return Err(error.into());
        }
    };
    println!("{} {} {:?}", image.name, image.manifest_digest, image.tags);
    let readers: Vec<_> = image.layers.into_iter().map(|layer| thread::spawn(move || drain(&layer))).collect();
    let mut total = 0;
    for reader in readers {
        total += reader.join().expect("reading does not panic")?;
    }
    println!("verified {total} bytes in {:.3} s", begin.elapsed().as_secs_f64());
    Ok(())
}

fn drain(layer: &StagedLayer) -> io::Result<u64> {
    let mut reader = layer.source.open()?;
    let mut chunk = vec![0; 64 << 10];
    let mut total = 0;
    loop {
        match reader.read(&mut chunk)? {
            0 => return Ok(total),
            count => total += count as u64,
        }
    }
}
