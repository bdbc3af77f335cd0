//! Mail is handed over once, whole, within its time, or the error says whether to try again.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use alpine_domain::{
    Error,
    ports::mail::{Mail, Mailer},
};
use alpine_infra::mail::{MailSettings, Outbox, SmtpMailer};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

fn settings() -> MailSettings {
    MailSettings {
        smtp: None,
        from: "Alpine <alpine@example.com>".to_owned(),
        timeout: Duration::from_secs(20),
        outbox_files: 3,
    }
}

fn mail(to: &str) -> Mail {
    Mail::new(to, "Another password", "text é".to_owned(), "<p>html é</p>".to_owned()).unwrap()
}

/// What a server says to a command that begins so.
type Script = &'static [(&'static str, &'static str)];

const GOOD: Script = &[
    ("EHLO", "250 mail.example.com\r\n"),
    ("MAIL", "250 ok\r\n"),
    ("RCPT", "250 ok\r\n"),
    ("DATA", "354 go on\r\n"),
    (".", "250 taken\r\n"),
    ("QUIT", "221 bye\r\n"),
    ("NOOP", "250 ok\r\n"),
];

/// A server of mail and what it heard.
struct Server {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(exceptions: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, exceptions, Arc::clone(&lines)));
            }
        });
        Self { url, heard }
    }

    fn mailer(&self, timeout: Duration) -> SmtpMailer {
        SmtpMailer::new(&self.url, &MailSettings { timeout, ..settings() }).unwrap()
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().join("\n")
    }
}

async fn talk(stream: TcpStream, exceptions: Script, heard: Arc<Mutex<Vec<String>>>) {
    let (reading, mut writing) = stream.into_split();
    writing.write_all(b"220 mail.example.com\r\n").await.unwrap();
    let mut lines = BufReader::new(reading).lines();
    let mut is_data = false;
    while let Ok(Some(line)) = lines.next_line().await {
        heard.lock().unwrap().push(line.clone());
        if is_data && line != "." {
            continue;
        }
        let answer = exceptions.iter().chain(GOOD).find(|(begin, _)| line.starts_with(begin));
        let (_, answer) = answer.unwrap();
        is_data = answer.starts_with("354");
        writing.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn a_mail_is_handed_to_the_server_with_both_forms() {
    let server = Server::start(&[]).await;
    let mailer = server.mailer(Duration::from_secs(20));
    mailer.send(&mail("ada@example.com")).await.unwrap();
    let heard = server.heard();
    for part in [
        "MAIL FROM:<alpine@example.com>",
        "RCPT TO:<ada@example.com>",
        "From: Alpine <alpine@example.com>",
        "To: ada@example.com",
        "Subject: Another password",
        "Message-ID: <",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: text/html; charset=utf-8",
    ] {
        assert!(heard.contains(part), "{part} is missing in:\n{heard}");
    }
    assert_eq!(heard.matches("RCPT").count(), 1, "{heard}");
}

#[tokio::test]
async fn an_error_says_whether_to_try_again() {
    let send = async |exceptions| {
        let server = Server::start(exceptions).await;
        let mailer = server.mailer(Duration::from_secs(20));
        mailer.send(&mail("ada@example.com")).await.unwrap_err()
    };
    for (exceptions, reason) in [
        (&[("RCPT", "550 5.1.1 no such mailbox\r\n")][..], "server: 550 5.1.1"),
        (&[("DATA", "554 no\r\n")][..], "server: 554"),
        (
            &[(".", "554 5.7.1 URL https://example.com/?token=secret is listed\r\n")],
            "server: 554 5.7.1",
        ),
    ] {
        let error = send(exceptions).await;
        assert!(matches!(error, Error::Invalid(_)), "{error:?}");
        // What the server writes may quote the mail, and its link.
        assert!(error.to_string().ends_with(reason), "{error}");
    }
    for (exceptions, reason) in [
        (&[("RCPT", "451 4.2.1 later\r\n")][..], "451 4.2.1"),
        // It lets nobody in, which has nothing to do with this mail.
        (&[("EHLO", "554 5.7.0 not you\r\n"), ("HELO", "554 5.7.0 not you\r\n")], "554 5.7.0"),
    ] {
        let error = send(exceptions).await;
        let Error::Unavailable { source: Some(source), .. } = &error else { panic!("{error:?}") };
        assert_eq!(source.to_string(), reason);
    }
    // Nobody listens there.
    let nobody = SmtpMailer::new("smtp://127.0.0.1:1", &settings()).unwrap();
    let error = nobody.send(&mail("ada@example.com")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_domain_of_any_script_reaches_every_server() {
    let server = Server::start(&[]).await;
    let mailer = server.mailer(Duration::from_secs(20));
    mailer.send(&mail("ada@b\u{fc}cher.example")).await.unwrap();
    let heard = server.heard();
    assert!(heard.contains("RCPT TO:<ada@xn--bcher-kva.example>"), "{heard}");
}

/// Whoever was told that a mail is taken does not send it again, whatever becomes of the connection.
#[tokio::test]
async fn a_mail_that_was_taken_is_done() {
    let server = Server::start(&[("QUIT", "")]).await;
    let mailer = server.mailer(Duration::from_millis(700));
    mailer.send(&mail("ada@example.com")).await.unwrap();
    mailer.send(&mail("bob@example.com")).await.unwrap();
    assert_eq!(server.heard().matches("RCPT").count(), 2, "{}", server.heard());
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let timeout = Duration::from_millis(300);
    let mailer = SmtpMailer::new(&url, &MailSettings { timeout, ..settings() }).unwrap();
    let started = Instant::now();
    let error = mailer.send(&mail("ada@example.com")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// As when a process ends: its runtime is gone, and then the rest of it.
#[test]
fn a_mailer_may_be_dropped_anywhere() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mailer = runtime.block_on(async {
        let server = Server::start(&[]).await;
        let mailer = server.mailer(Duration::from_secs(20));
        mailer.send(&mail("ada@example.com")).await.unwrap();
        mailer
    });
    drop(runtime);
    drop(mailer);
}

#[tokio::test]
async fn what_cannot_be_used_is_told_without_the_password() {
    let refused = |url: &str, from: &str| {
        let settings = MailSettings { from: from.to_owned(), ..settings() };
        SmtpMailer::new(url, &settings).map(|_| ()).unwrap_err().to_string()
    };
    for url in ["http://u:hunter2@mail.example.com", "mail.example.com:hunter2", ""] {
        let told = refused(url, "a@example.com");
        assert!(told.starts_with("mail.smtp: ") && !told.contains("hunter2"), "{told}");
    }
    let told = refused("smtp://mail.example.com", "Alpine");
    assert!(told.starts_with("mail.from: "), "{told}");
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut texts: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
        .collect();
    texts.sort();
    texts.into_iter().map(|(_, text)| text).collect()
}

#[tokio::test]
async fn the_outbox_keeps_the_newest_mails_for_its_owner_only() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("outbox");
    let outbox = Outbox::new(folder.clone(), &settings()).unwrap();
    for n in 0..5 {
        outbox.send(&mail(&format!("u{n}@example.com"))).await.unwrap();
    }
    let kept = files(&folder);
    assert_eq!(kept.len(), 3);
    for (text, n) in kept.iter().zip(2..) {
        assert!(text.contains(&format!("To: u{n}@example.com")), "{text}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
        assert_eq!(mode(&file.path()), 0o600);
    }
}

#[tokio::test]
async fn an_outbox_that_cannot_be_written_is_tried_again() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    std::fs::write(&file, "").unwrap();
    let outbox = Outbox::new(file, &settings()).unwrap();
    let error = outbox.send(&mail("ada@example.com")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn an_address_that_mail_cannot_be_sent_to_is_refused_for_good() {
    let place = tempfile::tempdir().unwrap();
    let outbox = Outbox::new(place.path().join("outbox"), &settings()).unwrap();
    for to in ["ada", "ada@example.com, eve@example.com", "<ada@example.com> eve@example.com"] {
        let error = outbox.send(&mail(to)).await.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    }
    assert_eq!(files(place.path()).len(), 0);
}
