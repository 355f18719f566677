//! A connection by way of this process that breaks at random bytes, in every way that connections break.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Both ends see the end of the stream.
    End,
    /// Both ends see a reset.
    Reset,
    /// One end sees a reset, the other one nothing.
    Half,
    /// Neither end sees anything: nothing passes, and for this time no new connection comes about either.
    Silence(Duration),
}

/// What breaks when.
#[derive(Clone, Copy)]
pub struct Forecast<'a> {
    /// In which ways.
    pub ways: &'a [Break],
    /// How often.
    pub breaks: usize,
    /// A connection carries up to so many bytes.
    pub most: u64,
    /// Another one, other places.
    pub seed: u64,
}

/// A proxy.
pub struct Weather {
    address: String,
    sky: Arc<Sky>,
}

struct Sky {
    target: String,
    ways: Vec<Break>,
    most: u64,
    left: AtomicUsize,
    random: Mutex<u64>,
    /// Until when nothing passes.
    silent: Mutex<Instant>,
}

/// One connection.
struct Passage {
    near: TcpStream,
    far: TcpStream,
    /// Bytes until it breaks, and how.
    fate: Mutex<Option<(u64, Break)>>,
}

impl Weather {
    /// Passes on what is dialed at [`Weather::address`] to `target`.
    pub fn to(target: &str, forecast: Forecast) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the address").to_string();
        let sky = Arc::new(Sky {
            target: target.to_owned(),
            ways: forecast.ways.to_vec(),
            most: forecast.most,
            left: AtomicUsize::new(forecast.breaks),
            random: Mutex::new(forecast.seed),
            silent: Mutex::new(Instant::now()),
        });
        let under = sky.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let sky = under.clone();
                thread::spawn(move || sky.pass(near));
            }
        });
        Self { address, sky }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// How often a connection has still to break.
    pub fn left(&self) -> usize {
        self.sky.left.load(Ordering::SeqCst)
    }
}

impl Sky {
    /// SplitMix64.
    fn random(&self, below: u64) -> u64 {
        let mut state = self.random.lock().unwrap();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn pass(self: Arc<Self>, near: TcpStream) {
        loop {
            let left = self.silent.lock().unwrap().saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left);
        }
        let Ok(far) = TcpStream::connect(&self.target) else { return };
        let way = self.ways[self.random(self.ways.len() as u64) as usize];
        let fate = Mutex::new((self.left() > 0).then(|| (self.random(self.most), way)));
        let passage = Arc::new(Passage { near, far, fate });
        let (sky, there) = (self.clone(), passage.clone());
        thread::spawn(move || sky.carry(&there, &there.near, &there.far));
        self.carry(&passage, &passage.far, &passage.near);
    }

    fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }

    fn carry(&self, passage: &Passage, mut from: &TcpStream, mut to: &TcpStream) {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let (allowed, way) = passage.allow(count);
            let passed = to.write_all(&bytes[..allowed]);
            if let Some(way) = way {
                self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).ok();
                self.strike(passage, way);
            }
            if passed.is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    fn strike(&self, passage: &Passage, way: Break) {
        let Passage { near, far, .. } = passage;
        match way {
            Break::End => [near, far].into_iter().for_each(|end| drop(end.shutdown(Shutdown::Both))),
            Break::Reset => [near, far].into_iter().for_each(reset),
            Break::Half => reset(if self.random(2) == 0 { near } else { far }),
            Break::Silence(time) => *self.silent.lock().unwrap() = Instant::now() + time,
        }
    }
}

/// A socket that is disconnected so tells the other end with a reset.
fn reset(end: &TcpStream) {
    let _ = rustix::net::connect_unspec(end);
}

impl Passage {
    /// How many of `count` bytes still pass, and how the connection breaks behind them, if it does now.
    fn allow(&self, count: usize) -> (usize, Option<Break>) {
        let mut fate = self.fate.lock().unwrap();
        match &mut *fate {
            None => (count, None),
            Some((0, _)) => (0, None),
            Some((left, way)) if *left <= count as u64 => {
                let allowed = *left as usize;
                *left = 0;
                (allowed, Some(*way))
            }
            Some((left, _)) => {
                *left -= count as u64;
                (count, None)
            }
        }
    }
}
