//! Three parties in three threads.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use tern_vm::net::{
    Fingerprint, Host, Hosts, Identity, Links, NetError, NetworkModel, Party, Peers, Setup, Timeouts,
    Traffic, connect, memory,
};

/// Long enough for a busy machine, and shorter than anyone would wait.
pub const TIMEOUT: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The parties of these tests.
pub const PARTIES: [Party; 3] = [Party::P0, Party::P1, Party::P2];

/// Links in memory between three.
pub fn triangle(stall: Duration) -> [Links; 3] {
    memory::mesh(3, stall).try_into().ok().expect("three")
}

/// The same with a tap on every link.
pub fn triangle_with_tap(stall: Duration, tap: memory::Tap) -> [Links; 3] {
    memory::mesh_with_tap(3, stall, tap).try_into().ok().expect("three")
}

/// The party after one.
pub fn after(party: Party) -> Party {
    PARTIES[(party.index() + 1) % 3]
}

/// The party after one, and the party before it.
pub fn others(party: Party) -> [Party; 2] {
    [after(party), after(after(party))]
}

/// Something for each of the others.
pub fn each<T>(me: Party, of: impl FnMut(Party) -> T) -> Peers<T> {
    Peers::new(me, 3, of)
}

/// What each of three threads makes of its links.
pub fn with_links<T: Send>(links: [Links; 3], run: impl Fn(&mut Links) -> T + Sync) -> [T; 3] {
    thread::scope(|scope| {
        let threads = links.map(|mut links| {
            let run = &run;
            scope.spawn(move || run(&mut links))
        });
        threads.map(|thread| thread.join().expect("a party's thread"))
    })
}

/// What each of three threads does as one party.
pub fn as_parties<T: Send>(run: impl Fn(Party) -> T + Sync) -> [T; 3] {
    thread::scope(|scope| {
        let run = &run;
        let threads = PARTIES.map(|party| scope.spawn(move || run(party)));
        threads.map(|thread| thread.join().expect("a party's thread"))
    })
}

/// Three parties with keys of their own and free ports.
pub struct World {
    pub hosts: Hosts,
    /// A hosts file of its own at some parties.
    pub own_hosts: [Option<Hosts>; 3],
    pub identities: [Identity; 3],
    pub network: Option<NetworkModel>,
}

impl World {
    pub fn new() -> Self {
        let identities =
            PARTIES.map(|party| Identity::generate(name(party), DAY).expect("a name that is a word"));
        let addresses = free_addresses();
        let parties = PARTIES.map(|party| Host {
            name: name(party).to_owned(),
            address: addresses[party.index()].clone(),
            fingerprint: identities[party.index()].fingerprint(),
            clients: None,
        });
        let timeouts = Timeouts { connect: TIMEOUT, stall: TIMEOUT, link: None };
        let own_hosts = [None, None, None];
        Self {
            hosts: Hosts { parties: parties.into(), timeouts, clients: Default::default() },
            own_hosts,
            identities,
            network: None,
        }
    }

    pub fn with_timeouts(mut self, connect: Duration, stall: Duration) -> Self {
        self.hosts.timeouts = Timeouts { connect, stall, link: None };
        self
    }

    pub fn setup(&self, me: Party) -> Setup<'_> {
        let hosts = self.own_hosts[me.index()].as_ref().unwrap_or(&self.hosts);
        Setup { hosts, me, identity: &self.identities[me.index()], network: self.network }
    }

    pub fn connect(&self, me: Party) -> Result<Links, NetError> {
        connect(self.setup(me), &mut |_| {})
    }

    /// Connects all parties and, when the set-up is over at all of them, lets each run.
    pub fn run<T: Send>(&self, run: impl Fn(&mut Links) -> T + Sync) -> [T; 3] {
        let barrier = Barrier::new(3);
        as_parties(|me| {
            let mut links = self.connect(me).expect("the set-up");
            barrier.wait();
            run(&mut links)
        })
    }

    pub fn fingerprint(&self, party: Party) -> Fingerprint {
        self.identities[party.index()].fingerprint()
    }
}

/// A connection by way of this process, which can cut it.
pub struct Wire {
    listener: TcpListener,
    ends: Arc<Mutex<Vec<TcpStream>>>,
    dead: Arc<AtomicBool>,
}

impl Wire {
    /// Passes on what is dialed at [`Wire::address`] to `target`.
    pub fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (ends, dead) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let wire = Self { listener: listener.try_clone().expect("a listener"), ends, dead };
        let (ends, dead, target) = (wire.ends.clone(), wire.dead.clone(), target.to_owned());
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(&target) else { continue };
                let both = [&near, &far].map(|end| end.try_clone().expect("a socket"));
                ends.lock().unwrap().extend(both);
                for (mut from, mut to) in
                    [(near.try_clone().expect("a socket"), far.try_clone().expect("a socket")), (far, near)]
                {
                    let dead = dead.clone();
                    thread::spawn(move || {
                        let mut bytes = vec![0; 64 << 10];
                        while let Ok(count) = from.read(&mut bytes) {
                            let passed = dead.load(Ordering::SeqCst) || to.write_all(&bytes[..count]).is_ok();
                            if count == 0 || !passed {
                                break;
                            }
                        }
                    });
                }
            }
        });
        wire
    }

    pub fn address(&self) -> String {
        self.listener.local_addr().expect("the address").to_string()
    }

    /// From now on nothing passes; or both ends are told that the connection is over.
    pub fn cut(&self, reset: bool) {
        self.dead.store(true, Ordering::SeqCst);
        if reset {
            for end in self.ends.lock().unwrap().iter() {
                let _ = end.shutdown(Shutdown::Both);
            }
        }
    }
}

pub fn name(party: Party) -> &'static str {
    ["alice", "bob", "carol"][party.index()]
}

/// Addresses that were free a moment ago; distinct, since they were so at the same time.
pub fn free_addresses() -> [String; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("the address").to_string())
}

/// The outcome of a party that sends `error` to the others, as a program would.
pub fn report(links: &mut Links, result: Result<(), NetError>) -> String {
    match result.and_then(|()| links.finish()) {
        Ok(()) => "fine".to_owned(),
        Err(error) => {
            let message = error.to_string();
            links.abort(&message);
            message
        }
    }
}

/// One round in which every party sends its own bytes of the given sizes, which differ in each place, and checks what it gets.
pub fn checked_round(
    links: &mut Links,
    size: impl Fn(Party, Party) -> usize,
    round: usize,
) -> Result<(), NetError> {
    let me = links.me();
    let out = each(me, |to| message(size(me, to), me, to, round));
    let pieces = out.as_ref().map(|_, out| [&out[..]]);
    let mut into = each(me, |from| vec![0; size(from, me)]);
    links
        .exchange(pieces.as_ref().map(|_, pieces| &pieces[..]), into.as_mut().map(|_, into| &mut into[..]))?;
    for from in others(me) {
        assert!(into[from] == message(size(from, me), from, me, round), "{from} to {me}, round {round}");
    }
    Ok(())
}

/// Bytes that depend on where they come from, where they go to and when.
pub fn message(size: usize, from: Party, to: Party, round: usize) -> Vec<u8> {
    let start = from.index() * 101 + to.index() * 57 + round * 31;
    (0..size).map(|i| ((start + i) % 251) as u8).collect()
}

/// The sum of what all parties have sent must be what all have received.
pub fn assert_balanced(traffic: [Traffic; 3]) {
    for me in PARTIES {
        for to in others(me) {
            let sent = traffic[me.index()].sent[to];
            let received = traffic[to.index()].received[me];
            assert_eq!(sent, received, "{me} to {to}");
        }
    }
}
