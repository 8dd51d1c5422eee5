//! A static file server, with the troubles that a test asks for.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

/// What the server does to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Trouble {
    #[default]
    None,
    /// Compressed, without being asked.
    Gzip,
    /// Never answers.
    Silent,
    /// More bytes than any file of a ledger has.
    Endless,
}

pub(crate) struct Server {
    address: SocketAddr,
    root: Arc<Mutex<PathBuf>>,
    /// Shown from the next checkpoint on, after it was served from the present root.
    then: Arc<Mutex<Option<PathBuf>>>,
    trouble: Arc<Mutex<Trouble>>,
    /// Files that are served before every further one is a 500; -1 for no end.
    left: Arc<AtomicI64>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            root: Arc::new(Mutex::new(root.to_owned())),
            then: Arc::default(),
            trouble: Arc::default(),
            left: Arc::new(AtomicI64::new(-1)),
            asked: Arc::default(),
        };
        let (root, then) = (Arc::clone(&server.root), Arc::clone(&server.then));
        let (trouble, left) = (Arc::clone(&server.trouble), Arc::clone(&server.left));
        let asked = Arc::clone(&server.asked);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (root, then) = (Arc::clone(&root), Arc::clone(&then));
                let trouble = *trouble.lock().unwrap();
                let (left, asked) = (Arc::clone(&left), Arc::clone(&asked));
                std::thread::spawn(move || {
                    let shown = root.lock().unwrap().clone();
                    // All before the answer: what a test does after it must find this done.
                    let heard = |path: &str| {
                        if path == "checkpoint"
                            && let Some(next) = then.lock().unwrap().take()
                        {
                            *root.lock().unwrap() = next;
                        }
                        asked.lock().unwrap().push(path.to_owned());
                    };
                    answer(&socket.unwrap(), &shown, trouble, &left, heard);
                });
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn show(&self, root: &Path) {
        root.clone_into(&mut self.root.lock().unwrap());
    }

    /// Serves one more checkpoint from the present root, and everything after it from another.
    pub(crate) fn show_after_checkpoint(&self, root: &Path) {
        *self.then.lock().unwrap() = Some(root.to_owned());
    }

    pub(crate) fn make(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap() = trouble;
    }

    pub(crate) fn fail_after(&self, files: i64) {
        self.left.store(files, Ordering::SeqCst);
    }

    /// The paths asked for since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn answer(
    mut socket: &TcpStream,
    root: &Path,
    trouble: Trouble,
    left: &AtomicI64,
    heard: impl FnOnce(&str),
) -> Option<()> {
    let mut lines = BufReader::new(socket).lines();
    let first = lines.next()?.ok()?;
    while !lines.next()?.ok()?.is_empty() {}
    let path = first.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let file = fs::read(root.join(&path));
    heard(&path);
    let allowed = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| match n {
        0 => None,
        n if n < 0 => Some(n),
        n => Some(n - 1),
    });
    let mut send = |status: &str, header: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\n{header}content-length: {}\r\n\r\n",
            body.len()
        );
        let _gone = socket.write_all(&[head.as_bytes(), body].concat());
    };
    match (file, allowed, trouble) {
        (_, Err(_), _) => send("500 Oh", "", b""),
        (_, _, Trouble::Silent) => std::thread::sleep(std::time::Duration::from_secs(20)),
        (_, _, Trouble::Endless) => send("200 OK", "", &vec![0; 20 << 20]),
        (Err(_), _, _) => send("404 Not Found", "", b"no"),
        (Ok(body), _, Trouble::None) => send("200 OK", "", &body),
        (Ok(body), _, Trouble::Gzip) => {
            let level = flate2::Compression::fast();
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), level);
            packer.write_all(&body).unwrap();
            let packed = packer.finish().unwrap();
            send("200 OK", "content-encoding: gzip\r\n", &packed);
        }
    }
    Some(())
}
