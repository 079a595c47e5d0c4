//! Clients that behave badly: slow, huge, malformed, many at once, streams that nobody reads. They are answered or dropped,
//! and neither other clients nor the controller feel it.

use landfall_e2e::plane::Kind;
use landfall_e2e::serve::Serving;
use landfall_e2e::world::World;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
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
