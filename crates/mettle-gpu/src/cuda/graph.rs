//! Submissions of many launches as graphs. The driver starts a graph at once, which costs far less than its launches one by one, and runs
//! side by side what no barrier keeps apart.
//!
//! The steps of a generation are the same launches again and again, with a few other parameters. So the graph of a submission is kept,
//! and the parameters that differ are changed in place. The GPU may idle meanwhile, so finding that a launch is as it was is all that most
//! launches of a step cost. A graph that still runs is changed for its next run, and may be put on the stream again.

use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys;

use super::clock::Event;
use super::driver::{Failure, Gpu, check, get};
use super::given::{Change, Given};
use super::launch::{Ready, each_part, functions};
use crate::backend::{Commands, RawLaunch};

/// Submissions of fewer launches are not worth a graph.
const FEWEST_LAUNCHES: usize = 4;

/// Graphs that are kept, the latest used. Steps of one model need one; another one is for the last part of a prompt, say.
const KEPT: usize = 4;

/// Submissions that are remembered: a graph is made when one of the same shape comes again, as most prompts are never computed twice.
const REMEMBERED: usize = 8;

/// `CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC`: where a launch lets others begin.
const BEGINS_AHEAD: u8 = 1;

/// The graphs of a GPU.
#[derive(Default)]
pub(super) struct Graphs(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// The latest used last.
    graphs: Vec<Graph>,
    /// Submissions whose shape came once, the latest last.
    seen: Vec<Given>,
}

// SAFETY: the driver's handles may be used from any thread, and the lock lets one at a time.
unsafe impl Send for Kept {}

impl Graphs {
    /// Starts the launches of a submission as a graph, if it is worth one, and gives the events around it. `None` if not: nothing was
    /// started then. The error is the failed launch and the reason.
    ///
    /// # Safety
    /// The commands are valid, the context is current, and everything stays so until the stream is done.
    pub unsafe fn start(
        &self,
        gpu: &Arc<Gpu>,
        commands: &Commands<'_>,
    ) -> Option<Result<[Event; 2], (usize, String)>> {
        if commands.launches.len() < FEWEST_LAUNCHES {
            return None;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the caller's promise.
        let graph = match unsafe { kept.take(gpu, commands) } {
            Ok(graph) => graph?,
            Err(error) => return Some(Err(error)),
        };
        let started = graph
            .start()
            .map_err(|failure| (0, format!("cannot start the graph of launches: {failure}")));
        if started.is_ok() {
            if kept.graphs.len() == KEPT {
                kept.graphs.remove(0);
            }
            kept.graphs.push(graph);
        }
        Some(started)
    }

    /// Forgets everything: code is unloaded that graphs may use.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }
}

impl Kept {
    /// Takes out the graph of the commands, with their parameters; makes it when they come the second time.
    ///
    /// # Safety
    /// As for `Graphs::start`.
    unsafe fn take(
        &mut self,
        gpu: &Arc<Gpu>,
        commands: &Commands<'_>,
    ) -> Result<Option<Graph>, (usize, String)> {
        for at in (0..self.graphs.len()).rev() {
            // SAFETY: the caller's promise.
            match unsafe { self.graphs[at].update(commands) } {
                Ok(false) => {}
                Ok(true) => return Ok(Some(self.graphs.remove(at))),
                Err(error) => {
                    self.graphs.remove(at);
                    return Err(error);
                }
            }
        }
        let seen = self.seen.iter().position(|seen| seen.resembles(commands));
        let Some(at) = seen else {
            if self.seen.len() == REMEMBERED {
                self.seen.remove(0);
            }
            self.seen.push(Given::of(commands));
            return Ok(None);
        };
        self.seen.remove(at);
        // SAFETY: the caller's promise.
        match unsafe { Graph::new(gpu, commands) } {
            Ok(graph) => Ok(Some(graph)),
            Err(reason) => {
                tracing::warn!(device = gpu.name, reason, "launching without a graph");
                Ok(None)
            }
        }
    }
}

/// A graph that is ready to run.
struct Graph {
    graph: sys::CUgraph,
    ready: sys::CUgraphExec,
    /// The parts of each launch.
    nodes: Vec<Vec<Node>>,
    /// What the nodes were last given.
    given: Given,
    gpu: Arc<Gpu>,
}

/// A part of a launch in a graph.
struct Node {
    handle: sys::CUgraphNode,
    function: sys::CUfunction,
}

impl Graph {
    /// # Safety
    /// As for `Graphs::start`.
    unsafe fn new(gpu: &Arc<Gpu>, commands: &Commands<'_>) -> Result<Self, String> {
        let said = |failure: Failure| failure.to_string();
        // SAFETY: writes the handle.
        let handle = get(ptr::null_mut(), |graph| unsafe {
            sys::cuGraphCreate(graph, 0)
        })
        .map_err(said)?;
        let mut graph = Graph {
            graph: handle,
            ready: ptr::null_mut(),
            nodes: Vec::with_capacity(commands.launches.len()),
            given: Given::of(commands),
            gpu: gpu.clone(),
        };
        // A node waits for all nodes between the last two barriers, each of which waits for those before.
        let mut before: Vec<sys::CUgraphNode> = Vec::new();
        let mut beside: Vec<sys::CUgraphNode> = Vec::new();
        for launch in commands.launches {
            if launch.barrier_before && !beside.is_empty() {
                before = std::mem::take(&mut beside);
            }
            let edge = edge(gpu.begins_ahead() && !launch.early_written);
            let mut nodes = Vec::new();
            let take = |part: &mut Ready<'_>| {
                let values = node_values(part);
                // SAFETY: the values are as for a launch and are copied.
                let node = get(ptr::null_mut(), |node| unsafe {
                    sys::cuGraphAddKernelNode_v2(node, handle, ptr::null(), 0, &values)
                })
                .map_err(said)?;
                let to = vec![node; before.len()];
                let edges = vec![edge; before.len()];
                // SAFETY: all are nodes of this graph; there are as many of each.
                check(unsafe {
                    sys::cuGraphAddDependencies_v2(
                        handle,
                        before.as_ptr(),
                        to.as_ptr(),
                        edges.as_ptr(),
                        before.len(),
                    )
                })
                .map_err(said)?;
                beside.push(node);
                nodes.push(Node {
                    handle: node,
                    function: part.function,
                });
                Ok(())
            };
            // SAFETY: the caller's promise.
            unsafe { each_part(commands, launch, take) }?;
            graph.nodes.push(nodes);
        }
        // SAFETY: writes the handle; the graph is whole.
        graph.ready = get(ptr::null_mut(), |ready| unsafe {
            sys::cuGraphInstantiateWithFlags(ready, graph.graph, 0)
        })
        .map_err(said)?;
        Ok(graph)
    }

    /// Gives the nodes the sizes and parameters of the commands where they are others. False if the commands have another shape: then some
    /// nodes may have been given theirs, which `given` knows.
    ///
    /// # Safety
    /// As for `Graphs::start`.
    unsafe fn update(&mut self, commands: &Commands<'_>) -> Result<bool, (usize, String)> {
        if self.given.launches() != commands.launches.len() {
            return Ok(false);
        }
        let mut changed = 0;
        for (index, launch) in commands.launches.iter().enumerate() {
            match self.given.change(commands, index) {
                Change::Nothing => continue,
                Change::Shape => return Ok(false),
                Change::Parameters => changed += 1,
            }
            let nodes = &self.nodes[index];
            // SAFETY: the caller's promise.
            let set = unsafe { self.set(nodes, commands, launch) };
            if !set.map_err(|reason| (index, reason))? {
                return Ok(false);
            }
            self.given.set(commands, index);
        }
        tracing::trace!(changed, launches = commands.launches.len(), "a graph again");
        Ok(true)
    }

    /// Gives the nodes of a launch its sizes and parameters, or says that they have other functions.
    ///
    /// # Safety
    /// As for `Graphs::start`.
    unsafe fn set(
        &self,
        nodes: &[Node],
        commands: &Commands<'_>,
        launch: &RawLaunch,
    ) -> Result<bool, String> {
        let mut own = nodes.iter();
        // SAFETY: the caller's promise.
        for function in unsafe { functions(launch) } {
            let function = function?;
            if own.next().is_none_or(|node| node.function != function) {
                return Ok(false);
            }
        }
        let mut nodes = nodes.iter();
        let take = |part: &mut Ready<'_>| {
            let node = nodes.next().ok_or("the graph has fewer launches")?;
            let values = node_values(part);
            // SAFETY: the node is one of this graph; the values are as for a launch and are copied.
            check(unsafe {
                sys::cuGraphExecKernelNodeSetParams_v2(self.ready, node.handle, &values)
            })
            .map_err(|failure| format!("cannot change its parameters: {failure}"))
        };
        // SAFETY: the caller's promise.
        unsafe { each_part(commands, launch, take) }?;
        Ok(true)
    }

    /// Puts it on the stream, between two events.
    fn start(&self) -> Result<[Event; 2], Failure> {
        let start = Event::next(&self.gpu)?;
        // SAFETY: the graph is ready, and the stream lives.
        check(unsafe { sys::cuGraphLaunch(self.ready, self.gpu.stream) })?;
        Ok([start, Event::next(&self.gpu)?])
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // It may still run; what became of it, who waits for it learns.
        if self.gpu.enter().is_err() || self.gpu.finish().is_err() {
            return;
        }
        // SAFETY: both are ours and used no more; the first is null if it was not made.
        unsafe {
            if !self.ready.is_null() {
                let _ = sys::cuGraphExecDestroy(self.ready);
            }
            let _ = sys::cuGraphDestroy(self.graph);
        }
    }
}

/// How a launch waits for another: by itself where it begins ahead, or else before it begins.
fn edge(ahead: bool) -> sys::CUgraphEdgeData {
    let (port, kind) = match ahead {
        true => (
            BEGINS_AHEAD,
            sys::CUgraphDependencyType::CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC,
        ),
        false => (
            0,
            sys::CUgraphDependencyType::CU_GRAPH_DEPENDENCY_TYPE_DEFAULT,
        ),
    };
    sys::CUgraphEdgeData {
        from_port: port,
        to_port: 0,
        type_: kind as u8,
        reserved: [0; 5],
    }
}

/// A launch as a node.
fn node_values(part: &mut Ready<'_>) -> sys::CUDA_KERNEL_NODE_PARAMS {
    sys::CUDA_KERNEL_NODE_PARAMS {
        func: part.function,
        gridDimX: part.blocks[0],
        gridDimY: part.blocks[1],
        gridDimZ: part.blocks[2],
        blockDimX: part.threads[0],
        blockDimY: part.threads[1],
        blockDimZ: part.threads[2],
        sharedMemBytes: part.shared,
        kernelParams: part.parameters.as_mut_ptr(),
        extra: ptr::null_mut(),
        kern: ptr::null_mut(),
        ctx: ptr::null_mut(),
    }
}
