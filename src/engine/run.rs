//! Starting a run.

use super::dispatcher::{Dispatcher, Outlook};
use super::local::{LocalDesk, RunLine};
use super::logins::{Logins, Scribe};
use super::worker::Shop;
use super::{Board, DeskError, Observer, RunOrder, RunReport};
use crate::model::{Event, printable};
use crate::policy::Descriptors;
use crate::transfer::{Bounds, Findings, Finisher, Stop};
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex};
use tokio::sync::{OnceCell, mpsc};

/// Prepares a run over the desk's queue. Returns the desk through which others can look at the run and change it,
/// and the run itself, which works until nothing is left that can be done now.
pub fn prepare(
    desk: LocalDesk,
    order: RunOrder,
    observer: Arc<dyn Observer>,
    board: Arc<Board>,
    stop: Stop,
) -> (LocalDesk, impl Future<Output = Result<RunReport, DeskError>> + Send) {
    let (words, inbox) = mpsc::unbounded_channel();
    let queue = desk.queue().clone();
    let scribe = Scribe {
        screen: order.display.verbose.then(|| teller(Arc::clone(&observer))),
        file: order.trace.clone(),
        tell: teller(Arc::clone(&observer)),
        sessions: Arc::default(),
    };
    let logins = Logins::new(&order, desk.credentials(), scribe);
    let desk = desk.with_run(RunLine { board: Arc::clone(&board), words: words.clone() });
    let (boot_id, blocked, finisher) = (crate::disk::boot_id(), Mutex::new(HashSet::new()), Finisher::start());
    let (survey, reading, findings) = (order.survey.clone(), OnceCell::new(), Findings::default());
    let backup_dir = order.backup_dir.clone();
    let bounds = Bounds::default();
    let workshop = Shop {
        queue,
        observer,
        board,
        boot_id,
        blocked,
        finisher,
        findings,
        bounds,
        words,
        survey,
        backup_dir,
        reading,
    };
    let dispatcher = Dispatcher {
        shop: Arc::new(workshop),
        order,
        logins,
        inbox,
        stop,
        hosts: super::hosts::Hosts::default(),
        running: HashMap::new(),
        parked: Vec::new(),
        held_back: 0,
        stranded: super::mirrors::Stranded::default(),
        report: RunReport::default(),
        outlook: Outlook::new(),
        halted: HashSet::new(),
        descriptors: Descriptors::new(super::limits::open_files()),
    };
    let run = async move {
        // On a thread of the runtime: on the main thread each word would cost two switches between threads.
        match tokio::spawn(dispatcher.run()).await {
            Ok(report) => Ok(report?),
            Err(broken) => std::panic::resume_unwind(broken.into_panic()),
        }
    };
    (desk, run)
}

fn teller(observer: Arc<dyn Observer>) -> crate::ftp::Trace {
    Arc::new(move |line: &str| observer.event(&Event::Notice { text: printable(line, 500) }))
}
