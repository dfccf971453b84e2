//! The `ftpq` program: puts the parts together.

use ftpq::engine::{Board, Desk, DeskError, House, Interrupt, LocalDesk, Observer, Reply, RunOrder, RunReport};
use ftpq::model::{Counts, Event, Selection, Snapshot, StatusReport, printable};
use ftpq::queue::{Credentials, Queue, QueueError};
use ftpq::ui::{MessageWriter, Output, Screen};
use ftpq::{api, cli, engine};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a command waits for another one that has the queue and is about to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Threads that drive sockets and timers. Long work with disk and digests has threads of its own, and more of these only
/// wake each other.
const THREADS: usize = 2;

fn main() -> ExitCode {
    // Before anything listens for it.
    let _ = engine::ignores_hangup();
    // Before any thread is there: passwords are taken off the command line and out of the environment.
    let door = cli::Door::shut();
    let args = cli::parse(&door);
    #[cfg(feature = "demo")]
    if let Some(keep) = args.wants_demo() {
        return ExitCode::from(ftpq::demo::run(keep));
    }
    engine::raise_open_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let text = format!(
                "ftpq: the runtime can't be started: {error}; check the limits on threads (ulimit -u) and open files (ulimit -n)\n"
            );
            // When standard error is gone, there is nowhere left to say so; the exit code still does.
            let _ = std::io::stderr().write_all(text.as_bytes());
            return ExitCode::from(5);
        }
    };
    let messages = MessageWriter::default();
    if let Err(error) = runtime.block_on(async { engine::outlive_file_size_limit() }) {
        let text = "the signal of file size limits can't be taken";
        say(&messages, &format!("{text}: {error}; check the limits on open files (ulimit -n)"));
        messages.finish();
        return ExitCode::from(5);
    }
    tell_of_faults(messages.clone());
    let program = Program { messages: messages.clone() };
    let err = Box::new(messages.clone());
    // As a task: this thread would have to be woken for each word of a worker.
    let program = runtime.spawn(async move { cli::execute(args, door, &program, err).await });
    let code = runtime.block_on(program).unwrap_or(FAULT);
    messages.finish();
    // A thread that still hashes or looks up a name must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(100));
    ExitCode::from(code)
}

/// Exit code when the program itself broke down; the panic's text was shown.
const FAULT: u8 = 5;

/// What is said of a thread that breaks down must not hold that thread up where nobody reads.
fn tell_of_faults(messages: MessageWriter) {
    std::panic::set_hook(Box::new(move |fault| {
        let backtrace = Backtrace::capture();
        let backtrace = Some(&backtrace).filter(|it| it.status() == BacktraceStatus::Captured);
        let text = backtrace.map_or_else(|| format!("{fault}\n"), |backtrace| format!("{fault}\n{backtrace}\n"));
        write(&messages, &text);
    }));
}

/// Writes something to standard error.
fn write(messages: &MessageWriter, text: &str) {
    // When standard error is gone, there is nowhere left to say so.
    let _ = messages.clone().write_all(text.as_bytes());
}

/// Says something on standard error, in a line that begins with the program's name.
fn say(messages: &MessageWriter, text: &str) {
    write(messages, &format!("ftpq: {}\n", printable(text, 2000)));
}

struct Program {
    messages: MessageWriter,
}

/// Who has the queue.
enum Owner {
    This(LocalDesk, Vec<String>),
    Other(api::Client),
}

impl Owner {
    fn desk(self, messages: &MessageWriter) -> Box<dyn Desk> {
        match self {
            Self::This(desk, notices) => {
                for notice in notices {
                    say(messages, &notice);
                }
                Box::new(desk)
            }
            Self::Other(client) => Box::new(client),
        }
    }
}

impl House for Program {
    fn desk<'a>(&'a self, queue: &'a Path) -> Reply<'a, Box<dyn Desk>> {
        Box::pin(async move {
            match reach(queue).await? {
                owner @ Owner::This(..) => Ok(owner.desk(&self.messages)),
                other @ Owner::Other(_) => {
                    let (dir, messages) = (queue.to_owned(), self.messages.clone());
                    let find = Box::new(move || {
                        let (dir, messages) = (dir.clone(), messages.clone());
                        Box::pin(async move { Ok(reach(&dir).await?.desk(&messages)) }) as Reply<'static, _>
                    });
                    Ok(Box::new(api::Succession::new(other.desk(&self.messages), find)) as Box<dyn Desk>)
                }
            }
        })
    }

    fn status<'a>(&'a self, queue: &'a Path) -> Reply<'a, StatusReport> {
        Box::pin(async move {
            match tokio::task::block_in_place(|| engine::peek(queue)) {
                Some(report) => Ok(report),
                None => self.desk(queue).await?.status().await,
            }
        })
    }

    fn rehearse(&self, desk: LocalDesk, order: RunOrder) -> Reply<'_, RunReport> {
        Box::pin(self.work(desk, Vec::new(), order))
    }

    fn run(&self, order: RunOrder) -> Reply<'_, RunReport> {
        Box::pin(async move {
            loop {
                match reach(&order.queue).await? {
                    Owner::This(desk, notices) => return self.work(desk, notices, order).await,
                    Owner::Other(client) => {
                        if let Some(report) = self.follow(&client, &order).await? {
                            return Ok(report);
                        }
                    }
                }
            }
        })
    }
}

/// Opens the queue, or finds the process that has it.
async fn reach(dir: &Path) -> Result<Owner, DeskError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let locked = match tokio::task::block_in_place(|| Queue::open(dir)) {
            Ok((queue, report)) => {
                let credentials = tokio::task::block_in_place(|| Credentials::load(dir))?;
                return Ok(Owner::This(LocalDesk::new(queue, dir.to_path_buf(), credentials), report.notices));
            }
            Err(error @ QueueError::Locked { .. }) => error,
            Err(error) => return Err(error.into()),
        };
        if let Ok(client) = api::Client::connect(dir).await {
            return Ok(Owner::Other(client));
        }
        if Instant::now() >= deadline {
            return Err(DeskError::NoAnswer(locked.to_string()));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn interrupt() -> Result<Interrupt, DeskError> {
    Interrupt::listen().map_err(|error| DeskError::Storage(format!("the signal handlers can't be installed: {error}")))
}

impl Program {
    fn say(&self, text: &str) {
        say(&self.messages, text);
    }

    /// Works on a queue that is this process's own.
    async fn work(&self, desk: LocalDesk, notices: Vec<String>, order: RunOrder) -> Result<RunReport, DeskError> {
        let interrupt = interrupt()?;
        // A run that is stopped puts everything away, which takes a bounded time.
        let guard = interrupt.guard();
        let board = Arc::new(Board::default());
        let figures = Arc::clone(&board);
        let snapshot: Arc<dyn Fn() -> Snapshot + Send + Sync> = Arc::new(move || figures.snapshot());
        let screen = Screen::start(order.display, snapshot, Output::standard());
        let observer: Arc<dyn Observer> = screen.observer();
        for text in notices {
            observer.event(&Event::Notice { text });
        }
        let (dir, rehearsal) = (order.queue.clone(), order.rehearsal);
        let (desk, run) = engine::prepare(desk, order, Arc::clone(&observer), board, interrupt.stop());
        // A rehearsal is nobody else's business.
        let opened = if rehearsal { Ok(None) } else { api::serve(Arc::new(desk.clone()), &dir).map(Some) };
        let server = match opened {
            Ok(server) => server,
            Err(error) => {
                let text = format!("other processes can't ask this run how it stands: {error}");
                observer.event(&Event::Notice { text });
                None
            }
        };
        let outcome = run.await;
        if let Some(server) = server {
            server.close().await;
        }
        // What was rehearsed is still to be told.
        let closed = if rehearsal { Ok(()) } else { desk.close().await };
        let last = outcome.as_ref().ok().filter(|_| !rehearsal);
        let unread = screen.finish(last, &interrupt).await;
        drop(guard);
        if unread > 0 {
            let (s, were) = if unread == 1 { ("", "was") } else { ("s", "were") };
            self.say(&format!(
                "{unread} line{s} of output {were} not read; `ftpq report` tells what became of the jobs"
            ));
        }
        let report = outcome?;
        closed?;
        Ok(report)
    }

    /// Waits for the run of another process. Returns nothing when that process ended with work left: this one goes on.
    async fn follow(&self, client: &api::Client, order: &RunOrder) -> Result<Option<RunReport>, DeskError> {
        let selection = Selection { ids: order.only.clone(), ..Selection::default() };
        // A run that ends meanwhile answers no more: then this process goes on.
        let Ok(status) = client.status().await else { return Ok(None) };
        let Some(pid) = status.pid else {
            sleep(Duration::from_millis(50)).await;
            return Ok(None);
        };
        if !order.display.quiet {
            self.say(&format!("process {pid} is working on this queue already; waiting for it"));
        }
        if order.trace.is_some() {
            self.say("nothing is written to the trace: the sessions are that process's");
        }
        let Ok(before) = client.counts(selection.clone()).await else { return Ok(None) };
        let mut interrupt = interrupt()?;
        let mut interrupted = false;
        loop {
            let Ok(now) = client.counts(selection.clone()).await else { return Ok(None) };
            if now.left() == 0 || interrupted {
                let base = if order.only.is_some() { Counts::default() } else { before };
                if now.failed > 0 && !order.display.quiet {
                    self.say(&format!("{} failed: `ftpq list --state failed` shows which", now.failed));
                }
                return Ok(Some(RunReport {
                    done: now.done.saturating_sub(base.done),
                    failed: now.failed.saturating_sub(base.failed),
                    failed_before: base.failed,
                    left: now.files_left(),
                    folders_left: now.folders,
                    interrupted,
                    ..RunReport::default()
                }));
            }
            tokio::select! {
                biased;
                () = interrupt.recv() => interrupted = true,
                () = sleep(Duration::from_millis(500)) => {}
            }
        }
    }
}
