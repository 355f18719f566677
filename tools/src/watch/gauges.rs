//! The figures of a run, as Prometheus collects them. None of them is computed from a share; how much a party sends is announced by
//! `tern cost` anyway. Values that the program reports are left to `metrics.jsonl`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tern_bytecode::Program;
use tern_bytecode::report::report;
use tern_host::Event;
use tern_host::events::{memory, peak_memory};
use tern_vm::net::{Live, Party};

type Seconds = Counter<f64, AtomicU64>;
type ByPeer = Family<[(&'static str, String); 1], Counter>;

/// Figures; clones are of the same run.
#[derive(Clone)]
pub(super) struct Gauges(Arc<Kept>);

struct Kept {
    registry: Registry,
    live: Arc<Live>,
    peers: Vec<Party>,
    figures: Figures,
}

#[derive(Default)]
struct Figures {
    rounds: Counter,
    sent: ByPeer,
    received: ByPeer,
    waited: Seconds,
    done: Gauge,
    of: Gauge,
    missing: Gauge,
    interruptions: Counter,
    memory: Gauge,
    peak: Gauge,
    kept: Counter,
    kept_at: Gauge<f64, AtomicU64>,
    kept_bytes: Gauge,
    resumed: Counter,
    warnings: Counter,
}

impl Gauges {
    pub(super) fn new(program: &Program, me: Party, live: Arc<Live>) -> Gauges {
        let parties = program.header.protocol.model().parties;
        let peers = Party::all(parties).filter(|party| *party != me).collect();
        let (mut registry, figures) = (Registry::with_prefix("tern"), Figures::default());
        describe(&mut registry, program, me);
        figures.register(&mut registry);
        Gauges(Arc::new(Kept { registry, live, peers, figures }))
    }

    /// Takes what an event says.
    pub(super) fn event(&self, event: &Event) {
        let figures = &self.0.figures;
        match event {
            Event::Progress { done, of } => {
                figures.done.set(*done as i64);
                figures.of.set(*of as i64);
            }
            Event::Waiting { missing, .. } => drop(figures.missing.set(missing.len() as i64)),
            Event::Met {} => drop(figures.missing.set(0)),
            Event::Checkpoint { bytes, .. } => {
                figures.kept.inc();
                figures.kept_bytes.set(*bytes as i64);
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                figures.kept_at.set(now.as_secs_f64());
            }
            Event::Resumed { .. } => drop(figures.resumed.inc()),
            Event::Warning { .. } | Event::Loss { .. } => drop(figures.warnings.inc()),
            _ => {}
        }
    }

    /// All of them at this moment, as text.
    ///
    /// # Errors
    /// None, as long as there is memory.
    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let kept = &*self.0;
        kept.look();
        let mut text = String::new();
        encode(&mut text, &kept.registry)?;
        Ok(text)
    }
}

/// What is run, and what it will take.
fn describe(registry: &mut Registry, program: &Program, me: Party) {
    let run = Info::new([
        ("program", program.header.name.clone()),
        ("protocol", program.header.protocol.name().to_string()),
        ("party", me.index().to_string()),
        ("version", env!("CARGO_PKG_VERSION").to_string()),
    ]);
    registry.register("run", "What is run, and as whom", run);
    let announced = Gauge::<i64>::default();
    announced.set(report(program).rounds as i64);
    registry.register("rounds_announced", "Rounds that the whole program takes", announced);
}

impl Figures {
    fn register(&self, registry: &mut Registry) {
        registry.register("rounds", "Rounds begun", self.rounds.clone());
        let sent = "Payload sent, by party";
        registry.register_with_unit("sent", sent, Unit::Bytes, self.sent.clone());
        let received = "Payload received, by party";
        registry.register_with_unit("received", received, Unit::Bytes, self.received.clone());
        let waited = "Time spent waiting for other parties";
        registry.register_with_unit("waited", waited, Unit::Seconds, self.waited.clone());
        registry.register(
            "iterations_done",
            "Iterations of the loops in progress that have begun",
            self.done.clone(),
        );
        registry.register("iterations", "All iterations of the loops in progress", self.of.clone());
        registry.register("parties_missing", "Parties that are waited for", self.missing.clone());
        let interruptions = "How often the link to a party was interrupted";
        registry.register("link_interruptions", interruptions, self.interruptions.clone());
        registry.register_with_unit("memory", "Memory in use", Unit::Bytes, self.memory.clone());
        let peak = "The most memory that was in use";
        registry.register_with_unit("memory_peak", peak, Unit::Bytes, self.peak.clone());
        registry.register("checkpoints", "Checkpoints that all parties have on disk", self.kept.clone());
        let at = "When the last one was written, since 1970";
        registry.register_with_unit("checkpoint_time", at, Unit::Seconds, self.kept_at.clone());
        let size = "The size of the last one here";
        registry.register_with_unit("checkpoint_size", size, Unit::Bytes, self.kept_bytes.clone());
        registry.register("resumed", "How often the run went on from a checkpoint", self.resumed.clone());
        registry.register("warnings", "Warnings so far", self.warnings.clone());
    }
}

impl Kept {
    /// Takes over what others count.
    fn look(&self) {
        let figures = &self.figures;
        figures.rounds.inner().store(self.live.rounds(), Ordering::Relaxed);
        figures.interruptions.inner().store(self.live.interruptions(), Ordering::Relaxed);
        figures.waited.inner().store(self.live.waited().as_secs_f64().to_bits(), Ordering::Relaxed);
        for peer in &self.peers {
            let label = [("peer", peer.index().to_string())];
            figures.sent.get_or_create(&label).inner().store(self.live.sent(*peer), Ordering::Relaxed);
            figures
                .received
                .get_or_create(&label)
                .inner()
                .store(self.live.received(*peer), Ordering::Relaxed);
        }
        figures.memory.set(memory() as i64);
        figures.peak.set(peak_memory() as i64);
    }
}
