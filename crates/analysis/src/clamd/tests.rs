//! The protocol against a service of the test's own, which says what a clamd might.

use std::io::BufRead as _;
use std::net::TcpListener;
use std::thread;

use super::*;

/// What the service does with a content.
#[derive(Clone, Copy)]
enum Way {
    /// Reads it and says this.
    Says(&'static [u8]),
    /// Says this after so many bytes, and hangs up.
    StopsAfter(usize, &'static [u8]),
    /// Says nothing until the other side gives up.
    Waits,
}

/// A service that answers any number of commands. It ends with the process.
fn service(way: Way) -> Clamd {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp:{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for socket in listener.incoming() {
            // A client that went away is what some cases are about.
            let _ = serve(socket.unwrap(), way);
        }
    });
    let settings = ClamdSettings { timeout_seconds: 1, ..ClamdSettings::new(address.parse().unwrap()) };
    Clamd::connect(&settings).unwrap()
}

fn serve(socket: TcpStream, way: Way) -> io::Result<()> {
    let mut input = io::BufReader::new(socket.try_clone()?);
    let mut output = socket;
    let mut command = Vec::new();
    input.read_until(0, &mut command)?;
    match command.as_slice() {
        b"zPING\0" => output.write_all(b"PONG\0"),
        b"zVERSION\0" => output.write_all(b"ClamAV 1.4.3/27800/Mon Oct 20 08:00:00 2025\0"),
        b"zINSTREAM\0" => {
            let mut read = 0;
            loop {
                let mut length = [0; 4];
                input.read_exact(&mut length)?;
                let length = u32::from_be_bytes(length) as usize;
                if length == 0 {
                    break;
                }
                io::copy(&mut input.by_ref().take(length as u64), &mut io::sink())?;
                read += length;
                if let Way::StopsAfter(limit, answer) = way
                    && read >= limit
                {
                    return output.write_all(answer);
                }
            }
            match way {
                Way::Says(answer) | Way::StopsAfter(_, answer) => output.write_all(answer),
                Way::Waits => input.read_to_end(&mut Vec::new()).map(drop),
            }
        }
        other => output.write_all(&[b"unknown ", other].concat()),
    }
}

#[test]
fn verdicts() {
    let refused = |reason: &str| Some(Verdict::Refused(reason.to_owned()));
    for (way, want) in [
        (Way::Says(b"stream: OK\0"), Some(Verdict::Clean)),
        (Way::Says(b"stream: Win.Test.EICAR_HDB-1 FOUND\0"), Some(Verdict::Found("Win.Test.EICAR_HDB-1".to_owned()))),
        (Way::Says(b"stream: OK\n"), Some(Verdict::Clean)),
        (Way::Says(b"stream: Can't allocate memory ERROR\0"), refused("Can't allocate memory")),
        (Way::StopsAfter(1 << 16, b"INSTREAM size limit exceeded. ERROR\0"), refused("INSTREAM size limit exceeded")),
        (Way::Says(b"HTTP/1.1 400 Bad Request\0"), None),
        (Way::Says(b"\0"), None),
        (Way::Says(b""), None),
        (Way::Says(&[b'x'; 10_000]), None),
        (Way::Waits, None),
    ] {
        let clamd = service(way);
        assert_eq!(clamd.version, "ClamAV 1.4.3/27800/Mon Oct 20 08:00:00 2025");
        assert_eq!(clamd.scan(&vec![7; 200_000]).ok(), want);
    }
}

#[test]
fn contents_that_are_too_large_are_not_sent() {
    let mut clamd = service(Way::Says(b"stream: X FOUND\0"));
    clamd.settings.max_file_bytes = 10;
    assert_eq!(clamd.scan(&[7; 11]).unwrap(), Verdict::Refused("11 bytes, more than the limit of 10".to_owned()));
    assert_eq!(clamd.scan(&[7; 10]).unwrap(), Verdict::Found("X".to_owned()));
}

#[test]
fn who_is_no_clamd_is_told() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = Clamd::connect(&ClamdSettings::new(format!("tcp:{nobody}").parse().unwrap())).unwrap_err();
    assert!(error.to_string().contains("cannot be talked to") && error.hint().is_some(), "{error}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp:{}", listener.local_addr().unwrap());
    let other = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.read_exact(&mut [0; 6]).unwrap();
        socket.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
    });
    let error = Clamd::connect(&ClamdSettings::new(address.parse().unwrap())).unwrap_err();
    assert!(error.to_string().ends_with("gave an answer that is none: `SSH-2.0-OpenSSH_9.2`"), "{error}");
    other.join().unwrap();
}

#[test]
fn addresses() {
    for text in ["unix:/run/clamav/clamd.ctl", "tcp:localhost:3310", "tcp:[::1]:3310"] {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }
    for text in ["", "/run/clamd", "unix:clamd", "tcp:localhost", "tcp:localhost:x", "http://localhost:3310"] {
        assert!(text.parse::<Address>().is_err(), "{text}");
    }
}
