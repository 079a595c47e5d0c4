//! Clients that behave badly: slow, huge, malformed, many at once, streams that nobody reads. They are answered or dropped,
//! and neither other clients nor the controller feel it.

use std::time::Duration;

use landfall_e2e::plane::Kind;
use landfall_e2e::serve::{Serving, Wire};
use landfall_e2e::world::{World, automated};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::others::{curl, until};

#[tokio::test(flavor = "multi_thread")]
async fn bad_clients_are_answered_or_dropped_and_others_do_not_feel_it() {
    let world = World::start(Kind::Sandbox).await.unwrap();
    let serving = Serving::open(&world).await.unwrap();
    // Streams that are never read, heads that never end, noise, bodies that never come: at the same time, many.
    let mut held = Vec::new();
    for at in 0..400_usize {
        let mut stream = TcpStream::connect(serving.address).await.unwrap();
        let text: &[u8] = match at % 4 {
            0 => b"GET /api/v1/stream/applications HTTP/1.1\r\nhost: x\r\n\r\n",
            1 => b"GET /api/v1/applications HTTP/1.1\r\nx-slow: ",
            2 => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03noise",
            _ => b"POST /api/v1/applications HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
        };
        stream.write_all(text).await.unwrap();
        held.push(stream);
    }
    let (status, _) = curl(&serving, "GET", "/api/version", None).await.unwrap();
    assert_eq!(status, 200);

    for (content_type, body, wanted) in [
        ("application/grpc-web+proto", &b"\x00\x00\x00\x00\x05\x0a\x7f"[..], "grpc-status: 3"),
        ("application/grpc-web+proto", &b"\x01\x00\x00\x00\x00"[..], "grpc-status: 12"),
        ("application/grpc-web+proto", &b""[..], "grpc-status: 3"),
        ("application/grpc-web-text", &b"!!!!"[..], "grpc-status: 3"),
        ("application/grpc-web-text", &b"AAAAAAA="[..], "200 OK"),
    ] {
        let mut stream = TcpStream::connect(serving.address).await.unwrap();
        let head = format!(
            "POST /application.ApplicationService/List HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        until(&mut stream, wanted).await;
    }
    let huge = format!("{{\"metadata\":{{\"name\":\"{}\"}}}}", "x".repeat(17 << 20));
    let file = world.directory.path().join("huge.json");
    std::fs::write(&file, huge).unwrap();
    let (status, refused) =
        curl(&serving, "POST", "/api/v1/applications", Some(&format!("@{}", file.display()))).await.unwrap();
    assert_eq!((status, &refused["code"]), (429, &json!(8)));
    drop(held);
}

/// Sends a request and returns the head of the answer; `""` if the connection just ends.
async fn head(serving: &Serving, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    // A server that has had enough stops reading: what is not taken any more is no fault.
    let _all_taken = stream.write_all(request).await;
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    let read = async {
        while !seen.windows(4).any(|four| four == b"\r\n\r\n") {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(count) => seen.extend_from_slice(&buffer[..count]),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("it is answered or dropped in time");
    String::from_utf8_lossy(&seen).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_huge_slow_or_nonsense_are_refused_in_time() {
    let world = World::start(Kind::Sandbox).await.unwrap();
    let serving = Serving::open(&world).await.unwrap();
    let huge = format!("GET /api/version HTTP/1.1\r\nhost: x\r\nx-huge: {}\r\n\r\n", "y".repeat(1 << 20));
    let many = format!("GET /api/version HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-one: y\r\n".repeat(5000));
    let long = format!("GET /api/v1/applications/{} HTTP/1.1\r\nhost: x\r\n\r\n", "z".repeat(1 << 20));
    for request in
        [huge.as_bytes(), many.as_bytes(), long.as_bytes(), b"\0\0\0\0\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"]
    {
        let answer = head(&serving, request).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    // A head that comes a letter at a time is given up after a while, and the connection closed.
    let mut slow = TcpStream::connect(serving.address).await.unwrap();
    let started = std::time::Instant::now();
    let trickle = async {
        slow.write_all(b"GET /api/version HTTP/1.1\r\nx: ").await?;
        loop {
            slow.write_all(b"a").await?;
            let mut buffer = [0; 256];
            let waited = tokio::time::timeout(Duration::from_millis(300), slow.read(&mut buffer)).await;
            if let Ok(Ok(0) | Err(_)) = waited {
                return Ok::<(), std::io::Error>(());
            }
        }
    };
    // Whether it ends by an answer, an end or an error: it ends.
    let _how = tokio::time::timeout(Duration::from_secs(30), trickle).await.expect("a slow head is given up");
    assert!(started.elapsed() < Duration::from_secs(30));
    let (status, _) = curl(&serving, "GET", "/api/version", None).await.unwrap();
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_connections_leave_room_for_others_and_the_controller_goes_on() {
    let world = World::start(Kind::Sandbox).await.unwrap();
    let repository = world.repository("shop").unwrap();
    let commit = repository.commit(&[("app/settings.yaml", Some(crate::stock::SETTINGS))]).unwrap();
    let serving = Serving::open(&world).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..2000 {
        let mut stream = TcpStream::connect(serving.address).await.unwrap();
        stream.write_all(b"GET /api/v1/stream/application-changes HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        held.push(stream);
    }
    world.apply(automated("shop", &repository, "app")).await.unwrap();
    world.settled("shop", &commit).await.unwrap();
    let (status, list) = curl(&serving, "GET", "/api/v1/applications?fields=items.metadata.name", None).await.unwrap();
    assert_eq!((status, &list), (200, &json!({"items": [{"metadata": {"name": "shop"}}]})));
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_tokens_is_slowed_down_and_who_has_one_is_not() {
    let world = World::start(Kind::Sandbox).await.unwrap();
    let serving = Serving::guarded(&world, Wire::Plain).await.unwrap();
    let token = crate::schema::token(&serving).await;
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    let mut refused = (0, 0);
    let guess = b"GET /api/v1/applications HTTP/1.1\r\nhost: x\r\nauthorization: Bearer a.b.c\r\n\r\n";
    for _ in 0..4000 {
        stream.write_all(guess).await.unwrap();
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        let answer = String::from_utf8_lossy(&buffer[..count]).into_owned();
        match answer.split_whitespace().nth(1) {
            Some("401") => refused.0 += 1,
            Some("429") => {
                assert!(answer.to_lowercase().contains("retry-after: 1"), "{answer}");
                refused.1 += 1;
            }
            other => panic!("{other:?}: {answer}"),
        }
    }
    assert!(refused.0 >= 2000 && refused.1 > 0, "{refused:?}");
    let (status, _) = crate::schema::ask(&serving, "/api/v1/applications", &token).await;
    assert_eq!(status, "200", "who has a token is counted by it");
}
