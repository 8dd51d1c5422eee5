//! Bytes as they are: a client that sends anything, and a naive upstream that writes down every
//! request it believes to see.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Silence after which nothing more is expected.
const QUIET: Duration = Duration::from_millis(600);
/// Longest wait for the first byte of an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came back on a connection.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Every byte.
    pub bytes: Vec<u8>,
    /// Whether the other end closed.
    pub closed: bool,
}

impl Heard {
    /// Status codes in order, interim ones left out.
    pub fn statuses(&self) -> Vec<u16> {
        let mut statuses = Vec::new();
        let mut rest = self.bytes.as_slice();
        while let Some((head, body)) = head_and_rest(rest) {
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            if status >= 200 {
                statuses.push(status);
            }
            let length = value(&head, "content-length").map_or(0, |v| v.parse().unwrap());
            rest = body.get(length..).unwrap_or_default();
        }
        statuses
    }

    /// Everything as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The values of a header in all answers.
    pub fn header(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter_map(|line| line.split_once(": "));
        let named = lines.filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim().to_owned()).collect()
    }
}

/// Sends `bytes` and listens until the other end closes or has been quiet for a while.
pub async fn say(to: SocketAddr, bytes: &[u8]) -> Heard {
    let mut socket = TcpStream::connect(to).await.unwrap();
    // A refusal may close the connection before all of it is written.
    let _sent = socket.write_all(bytes).await;
    listen(&mut socket).await
}

/// Listens until the other end closes or has been quiet for a while.
pub async fn listen(socket: &mut TcpStream) -> Heard {
    let mut heard = Heard {
        bytes: Vec::new(),
        closed: false,
    };
    let mut buffer = vec![0; 64 << 10];
    loop {
        let patience = if heard.bytes.is_empty() {
            PATIENCE
        } else {
            QUIET
        };
        match tokio::time::timeout(patience, socket.read(&mut buffer)).await {
            Err(_quiet) => return heard,
            Ok(Ok(0) | Err(_)) => {
                heard.closed = true;
                return heard;
            }
            Ok(Ok(read)) => heard.bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

fn head_and_rest(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    Some((head, &bytes[end + 4..]))
}

fn value(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut named = lines.filter(|(n, _)| n.trim().eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.trim().to_owned())
}

/// An upstream that reads requests as carelessly as anything does: by the first `Content-Length`
/// it finds, else by chunks if it finds the word, else no body.
#[derive(Debug, Clone)]
pub struct Naive {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    raw: Arc<Mutex<Vec<u8>>>,
    answer: Arc<str>,
}

impl Naive {
    /// Starts one that answers everything with `head` (status line and headers, without length)
    /// and `body`.
    pub async fn start(head: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        let naive = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            raw: Arc::default(),
            answer: answer.into(),
        };
        let serving = naive.clone();
        tokio::spawn(async move {
            while let Ok((socket, _from)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(socket));
            }
        });
        naive
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of the requests it believes to have seen.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Every byte it was sent.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw.lock().unwrap()).into_owned()
    }

    async fn serve(self, mut socket: TcpStream) {
        let mut pending = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            while let Some((head, used)) = naive_request(&pending) {
                self.seen.lock().unwrap().push(head);
                pending.drain(..used);
                if socket.write_all(self.answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            match socket.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => {
                    self.raw.lock().unwrap().extend_from_slice(&buffer[..read]);
                    pending.extend_from_slice(&buffer[..read]);
                }
            }
        }
    }
}

/// The head of the first whole request and how many bytes it takes.
fn naive_request(bytes: &[u8]) -> Option<(String, usize)> {
    let (head, rest) = head_and_rest(bytes)?;
    let head_bytes = bytes.len() - rest.len();
    let body_bytes = if let Some(length) = value(&head, "content-length") {
        length.parse().unwrap_or(0)
    } else if head.to_lowercase().contains("chunked") {
        rest.windows(5).position(|window| window == b"0\r\n\r\n")? + 5
    } else {
        0
    };
    (rest.len() >= body_bytes).then_some((head, head_bytes + body_bytes))
}
