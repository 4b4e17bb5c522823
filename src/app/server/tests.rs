//! Connections over pipes in the test's memory, on paused time; and the socket's own bound on a real one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::connection::ServerConnections;
use super::connection_state::TimedIo;
use super::{ConnectionTimes, accept};

const SECOND: Duration = Duration::from_secs(1);
const GET: &[u8] = b"GET /quick HTTP/1.1\r\nhost: x\r\n\r\n";

/// Counts the requests that are under way, however they end.
#[derive(Clone, Default)]
struct RequestsUnderWay(Arc<AtomicUsize>);

struct One(Arc<AtomicUsize>);

impl RequestsUnderWay {
    fn one(&self) -> One {
        self.0.fetch_add(1, Ordering::SeqCst);
        One(Arc::clone(&self.0))
    }

    fn many(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn connections(under_way: &RequestsUnderWay) -> ServerConnections {
    let slow = under_way.clone();
    let router = Router::new()
        .route("/quick", get(async || "quick"))
        .route("/large", get(async || "x".repeat(1 << 20)))
        .route("/body", post(async |body: String| body))
        .route("/parts", get(async || Body::from_stream(stream::unfold(0, part))))
        .route(
            "/slow",
            get(async move || {
                let _one = slow.one();
                sleep(SECOND * 25).await;
                "slow"
            }),
        );
    ServerConnections::new("api", router, ConnectionTimes::default(), None)
}

/// The next part of a stream: one every two minutes.
async fn part(number: u8) -> Option<(Result<&'static str, Infallible>, u8)> {
    sleep(SECOND * 120).await;
    (number < 3).then_some((Ok("part"), number + 1))
}

/// The far end of a new connection.
fn connect(connections: &ServerConnections) -> DuplexStream {
    let (near, far) = duplex(16 * 1024);
    let state = connections.new_state(None);
    let near = TimedIo { io: near, state: Arc::clone(&state) };
    tokio::spawn(connections.serve(near, state));
    far
}

/// What comes until the other side closes, and when it does.
async fn rest(far: &mut DuplexStream) -> (String, Duration) {
    let (began, mut bytes) = (crate::clock::monotonic(), Vec::new());
    // A connection that is never closed fails its test instead of hanging it.
    let _ = timeout(SECOND * 1000, far.read_to_end(&mut bytes)).await;
    (String::from_utf8(bytes).unwrap(), began.elapsed())
}

/// The next answer, whose body ends with `end`.
async fn answer(far: &mut DuplexStream, end: &str) -> String {
    let (mut text, mut piece) = (String::new(), [0; 1024]);
    while !text.ends_with(end) {
        let read = far.read(&mut piece).await.unwrap();
        assert!(read > 0, "closed after {text}");
        text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
    text
}

fn about(time: Duration, seconds: u64) -> bool {
    time >= SECOND * u32::try_from(seconds).unwrap() && time < Duration::from_millis(seconds * 1000 + 100)
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_half_sent_is_waited_for_ten_seconds_however_it_drips() {
    let all = connections(&RequestsUnderWay::default());
    let mut silent = connect(&all);
    let mut half = connect(&all);
    half.write_all(b"GET /quick HT").await.unwrap();
    let (silent, half) = tokio::join!(rest(&mut silent), rest(&mut half));
    assert!(about(silent.1, 10) && about(half.1, 10), "{silent:?} {half:?}");
    let (mut dripping, began) = (connect(&all), crate::clock::monotonic());
    for byte in GET.iter().cycle() {
        if dripping.write_all(&[*byte.min(&b'x')]).await.is_err() {
            break;
        }
        sleep(SECOND / 2).await;
    }
    assert!(began.elapsed() < SECOND * 12, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_for_more_than_a_minute_and_then_closed() {
    let all = connections(&RequestsUnderWay::default());
    let mut far = connect(&all);
    far.write_all(GET).await.unwrap();
    answer(&mut far, "quick").await;
    sleep(SECOND * 60).await;
    far.write_all(GET).await.unwrap();
    assert!(answer(&mut far, "quick").await.starts_with("HTTP/1.1 200"));
    let (text, time) = rest(&mut far).await;
    assert!(text.is_empty() && about(time, 70), "{text} {time:?}");

    let mut far = connect(&all);
    far.write_all(GET).await.unwrap();
    answer(&mut far, "quick").await;
    sleep(SECOND * 30).await;
    far.write_all(b"GET /qu").await.unwrap();
    let (_, time) = rest(&mut far).await;
    assert!(about(time, 10), "a further head has no more time than the first: {time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_streamed_response_is_not_idle_between_its_parts() {
    let all = connections(&RequestsUnderWay::default());
    let mut far = connect(&all);
    far.write_all(b"GET /parts HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let response = answer(&mut far, "\r\n0\r\n\r\n").await;
    assert_eq!(response.matches("part").count(), 3, "{response}");
    let (text, time) = rest(&mut far).await;
    assert!(text.is_empty() && about(time, 70), "afterwards the connection is idle: {text} {time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_is_not_cut_off_and_one_whose_caller_left_is() {
    let under_way = RequestsUnderWay::default();
    let all = connections(&under_way);
    let mut far = connect(&all);
    far.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(answer(&mut far, "slow").await.starts_with("HTTP/1.1 200"));

    let mut far = connect(&all);
    far.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    sleep(SECOND).await;
    assert_eq!(under_way.many(), 1);
    drop(far);
    sleep(SECOND / 10).await;
    assert_eq!(under_way.many(), 0, "it goes on for nobody");
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_nothing_of_a_response_for_thirty_seconds_is_disconnected() {
    let all = connections(&RequestsUnderWay::default());
    let (mut stuck, mut pipelining) = (connect(&all), connect(&all));
    stuck.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // The next request is under way while nothing of the response is read.
    pipelining.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    pipelining.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    sleep(SECOND * 29).await;
    assert!(timeout(SECOND / 10, all.until_quiet()).await.is_err());
    assert!(timeout(SECOND * 2, all.until_quiet()).await.is_ok());
    for far in [&mut stuck, &mut pipelining] {
        let (text, _) = rest(far).await;
        assert!(text.starts_with("HTTP/1.1 200") && text.len() < 64 * 1024, "{}", text.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_who_makes_progress_gets_the_whole_response_and_the_next_one() {
    let all = connections(&RequestsUnderWay::default());
    let (mut far, began) = (connect(&all), crate::clock::monotonic());
    far.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    far.write_all(GET).await.unwrap();
    let (mut text, mut piece) = (Vec::new(), vec![0; 16 * 1024]);
    while !text.ends_with(b"quick") {
        sleep(SECOND * 20).await;
        let read = far.read(&mut piece).await.unwrap();
        assert!(read > 0, "closed after {} bytes and {:?}", text.len(), began.elapsed());
        text.extend_from_slice(&piece[..read]);
    }
    assert!(text.len() > 1 << 20 && began.elapsed() > SECOND * 1000);
    // It became idle when the last byte was written, which is before that byte was read.
    let (_, time) = rest(&mut far).await;
    assert!(time > SECOND * 20 && time < SECOND * 71, "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_is_bounded() {
    let all = connections(&RequestsUnderWay::default());
    let many = "a: b\r\n".repeat(101);
    let long = format!("a: {}\r\n", "b".repeat(70_000));
    for headers in [many, long] {
        let mut far = connect(&all);
        let head = format!("GET /quick HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        let (mut read, mut write) = tokio::io::split(&mut far);
        let mut answer = vec![0; 12];
        // What is beyond the bound is not read; who sends it hears of it all the same.
        let _ = tokio::join!(timeout(SECOND, write.write_all(head.as_bytes())), read.read_exact(&mut answer));
        assert_eq!(answer, b"HTTP/1.1 431");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_closes_what_is_idle_answers_what_is_not_and_waits_for_no_half_head() {
    let under_way = RequestsUnderWay::default();
    let all = connections(&under_way);
    let (mut idle, mut busy, mut half) = (connect(&all), connect(&all), connect(&all));
    idle.write_all(GET).await.unwrap();
    answer(&mut idle, "quick").await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    half.write_all(b"GET /quick HT").await.unwrap();
    sleep(SECOND).await;
    let began = crate::clock::monotonic();
    all.stop();
    assert!(timeout(SECOND / 10, rest(&mut idle)).await.is_ok());
    assert!(timeout(SECOND, all.until_quiet()).await.is_err(), "a request is under way");
    half.write_all(b"TP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let (late, _) = rest(&mut half).await;
    let mut new = connect(&all);
    new.write_all(GET).await.unwrap();
    let (new, _) = rest(&mut new).await;
    for text in [late, new] {
        assert!(text.starts_with("HTTP/1.1 200") && text.contains("connection: close"), "{text}");
    }
    let mut half = connect(&all);
    half.write_all(b"GET /quick HT").await.unwrap();
    let ((text, _), ()) = tokio::join!(rest(&mut busy), all.until_quiet());
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("connection: close"), "{text}");
    assert!(about(began.elapsed(), 24), "{:?}", began.elapsed());
}

/// A listener with a limit of `most` connections, and the count of their requests under way.
async fn listening(most: usize) -> (SocketAddr, RequestsUnderWay, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, under_way) = (listener.local_addr().unwrap(), RequestsUnderWay::default());
    let accepting = tokio::spawn(accept("api", listener, connections(&under_way), most));
    (address, under_way, accepting)
}

/// Whether a request on the connection gets a response.
async fn is_answered(stream: &mut TcpStream) -> bool {
    let mut piece = [0; 1024];
    let _ = stream.write_all(GET).await;
    let mut text = String::new();
    while !text.ends_with("quick") {
        match timeout(SECOND * 10, stream.read(&mut piece)).await.unwrap() {
            Ok(read @ 1..) => text.push_str(std::str::from_utf8(&piece[..read]).unwrap()),
            _ => return false,
        }
    }
    text.starts_with("HTTP/1.1 200")
}

#[tokio::test]
async fn when_all_connections_are_taken_the_longest_idle_one_makes_room() {
    let (address, under_way, accepting) = listening(3).await;
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    while under_way.many() == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    // Its head is never complete, so it is idle since it was opened.
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(b"GET /quick HT").await.unwrap();
    let mut older = TcpStream::connect(address).await.unwrap();
    assert!(is_answered(&mut older).await);
    let mut newer = TcpStream::connect(address).await.unwrap();
    assert!(is_answered(&mut newer).await, "the silent one makes room");
    assert_eq!(timeout(SECOND * 10, silent.read(&mut [0; 16])).await.unwrap().unwrap_or(0), 0);
    // `older` was used last, so `newer` has been idle longer.
    assert!(is_answered(&mut older).await);
    let mut health = TcpStream::connect(address).await.unwrap();
    assert!(is_answered(&mut health).await);
    assert!(!is_answered(&mut newer).await && is_answered(&mut older).await);
    assert_eq!(under_way.many(), 1, "a request under way is not cut off");
    accepting.abort();
}

#[tokio::test]
async fn where_no_connection_is_idle_a_new_one_is_closed_and_room_is_used_again() {
    let (address, under_way, accepting) = listening(2).await;
    let ask = async || {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        stream
    };
    let (first, _second) = (ask().await, ask().await);
    while under_way.many() < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    assert!(!is_answered(&mut TcpStream::connect(address).await.unwrap()).await);
    assert_eq!(under_way.many(), 2, "those that are open stay");
    drop(first);
    let again = async { while !is_answered(&mut TcpStream::connect(address).await.unwrap()).await {} };
    timeout(SECOND * 10, again).await.unwrap();
    accepting.abort();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_before_the_body_was_read_leaves_the_connection_usable_or_says_that_it_closes() {
    for (head, body) in [
        ("content-length: 4", &b"body"[..]),
        ("content-length: 4096", &[b'x'; 4096]),
        ("transfer-encoding: chunked", b"4\r\nbody\r\n0\r\n\r\n"),
    ] {
        let all = connections(&RequestsUnderWay::default());
        let mut far = connect(&all);
        let head = format!("POST /quick HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n");
        far.write_all(head.as_bytes()).await.unwrap();
        sleep(SECOND / 10).await;
        far.write_all(body).await.unwrap();
        let refusal = answer(&mut far, "\r\n\r\n").await;
        assert!(refusal.starts_with("HTTP/1.1 405") && !refusal.contains("connection: close"), "{refusal}");
        far.write_all(GET).await.unwrap();
        assert!(answer(&mut far, "quick").await.starts_with("HTTP/1.1 200"));
    }
    for (head, body) in [
        ("content-length: 4", &b"bo"[..]),
        ("content-length: 100000", b""),
        ("transfer-encoding: chunked", b"4\r\nbody\r\n"),
        // Nobody asks for the body.
        ("expect: 100-continue\r\ncontent-length: 4", b""),
    ] {
        let all = connections(&RequestsUnderWay::default());
        let (mut far, began) = (connect(&all), crate::clock::monotonic());
        let head = format!("POST /quick HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n");
        far.write_all(head.as_bytes()).await.unwrap();
        far.write_all(body).await.unwrap();
        let (refusal, _) = rest(&mut far).await;
        assert!(refusal.starts_with("HTTP/1.1 405") && refusal.contains("connection: close"), "{refusal}");
        assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    }
    // A body that was read changes nothing.
    let all = connections(&RequestsUnderWay::default());
    let mut far = connect(&all);
    far.write_all(b"POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody").await.unwrap();
    assert!(!answer(&mut far, "body").await.contains("connection: close"));
    far.write_all(GET).await.unwrap();
    assert!(answer(&mut far, "quick").await.starts_with("HTTP/1.1 200"));
}
