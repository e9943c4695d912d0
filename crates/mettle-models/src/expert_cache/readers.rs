//! Threads that read experts while the device computes.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::source::Source;
use crate::{Error, Result};

/// Reads at a time: an SSD is as fast as it can be with several, and one alone waits for it.
const THREADS: usize = 4;

/// The threads, and the memory that they read into.
pub(super) struct Readers {
    /// `None` only while the threads are asked to end.
    jobs: Option<mpsc::Sender<Job>>,
    done: mpsc::Receiver<Done>,
    threads: Vec<thread::JoinHandle<()>>,
    /// Memory that nothing is being read into.
    free: Vec<Vec<u8>>,
    pub(super) bytes_read: u64,
    pub(super) read_time: Duration,
    pub(super) stall_time: Duration,
}

/// A matrix to be read.
struct Job {
    /// Its place among those of a [`Reading`].
    number: usize,
    sources: Arc<[Source; 3]>,
    matrix: usize,
    expert: u32,
    memory: Vec<u8>,
}

/// A matrix that was read, or was not.
struct Done {
    number: usize,
    memory: Vec<u8>,
    result: Result<()>,
    elapsed: Duration,
}

impl Readers {
    /// Threads with so many pieces of memory, each of which takes so many bytes.
    pub(super) fn new(buffers: usize, bytes: usize) -> Result<Self> {
        let (jobs, todo) = mpsc::channel::<Job>();
        let (finished, done) = mpsc::channel();
        let todo = Arc::new(Mutex::new(todo));
        let threads = (0..THREADS).map(|_| {
            let (todo, finished) = (todo.clone(), finished.clone());
            let thread = thread::Builder::new().name("expert reader".to_owned());
            thread
                .spawn(move || work(&todo, &finished))
                .map_err(|error| {
                    Error::Request(format!("cannot start a thread to read experts: {error}"))
                })
        });
        let threads = threads.collect::<Result<_>>()?;
        Ok(Self {
            jobs: Some(jobs),
            done,
            threads,
            free: (0..buffers).map(|_| Vec::with_capacity(bytes)).collect(),
            bytes_read: 0,
            read_time: Duration::ZERO,
            stall_time: Duration::ZERO,
        })
    }

    /// Begins to read experts of a layer, all matrices of each, in this order.
    pub(super) fn read(&mut self, sources: &Arc<[Source; 3]>, experts: Vec<u32>) -> Reading<'_> {
        let mut reading = Reading {
            readers: self,
            sources: sources.clone(),
            experts,
            begun: 0,
            taken: 0,
            arrived: BTreeMap::new(),
            on_their_way: 0,
        };
        reading.go_on();
        reading
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in mem::take(&mut self.threads) {
            // It has nothing to say: a read that fails is told with the matrix.
            let _ = thread.join();
        }
    }
}

fn work(todo: &Mutex<mpsc::Receiver<Job>>, finished: &mpsc::Sender<Done>) {
    let mut apart = Vec::new();
    loop {
        let job = todo.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(mut job) = job else { return };
        let start = Instant::now();
        let source = &job.sources[job.matrix];
        job.memory.resize(source.bytes(), 0);
        let result = source.read(job.expert, &mut job.memory, &mut apart);
        let done = Done {
            number: job.number,
            memory: job.memory,
            result,
            elapsed: start.elapsed(),
        };
        if finished.send(done).is_err() {
            return;
        }
    }
}

/// Experts of a layer on their way.
pub(super) struct Reading<'a> {
    readers: &'a mut Readers,
    sources: Arc<[Source; 3]>,
    experts: Vec<u32>,
    /// Matrices whose reading has begun, and those that were taken.
    begun: usize,
    taken: usize,
    /// Those that are there before their turn.
    arrived: BTreeMap<usize, Done>,
    /// Those that are not there yet.
    on_their_way: usize,
}

impl Reading<'_> {
    /// Has read into all memory that is free.
    fn go_on(&mut self) {
        let of_each = self.sources.len();
        while self.begun < of_each * self.experts.len()
            && let Some(jobs) = &self.readers.jobs
            && let Some(memory) = self.readers.free.pop()
        {
            let job = Job {
                number: self.begun,
                sources: self.sources.clone(),
                matrix: self.begun % of_each,
                expert: self.experts[self.begun / of_each],
                memory,
            };
            self.begun += 1;
            // The threads end only when the channel does.
            self.on_their_way += usize::from(jobs.send(job).is_ok());
        }
    }

    /// Hands over the next matrix, when it is there.
    pub(super) fn take(&mut self, matrix: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        let number = self.taken;
        self.taken += 1;
        let start = Instant::now();
        let done = loop {
            if let Some(done) = self.arrived.remove(&number) {
                break done;
            }
            let done = self.wait()?;
            self.arrived.insert(done.number, done);
        };
        self.readers.stall_time += start.elapsed();
        let Done { memory, result, .. } = done;
        let result = result.and_then(|()| matrix(&memory));
        self.readers.free.push(memory);
        result?;
        self.go_on();
        Ok(())
    }

    /// Waits for any of those that are on their way.
    fn wait(&mut self) -> Result<Done> {
        let ended = || Error::Request("the threads that read experts have ended".to_owned());
        if self.on_their_way == 0 {
            return Err(ended());
        }
        let done = self.readers.done.recv().map_err(|_| ended())?;
        self.on_their_way -= 1;
        self.readers.read_time += done.elapsed;
        if done.result.is_ok() {
            self.readers.bytes_read += done.memory.len() as u64;
        }
        Ok(done)
    }
}

impl Drop for Reading<'_> {
    /// What is still on its way after an error is waited for, so that its memory comes back.
    fn drop(&mut self) {
        while let Ok(done) = self.wait() {
            self.readers.free.push(done.memory);
        }
        let arrived = mem::take(&mut self.arrived);
        let memory = arrived.into_values().map(|done| done.memory);
        self.readers.free.extend(memory);
    }
}
