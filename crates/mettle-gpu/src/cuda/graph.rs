//! Submissions of many launches as graphs. The driver starts a graph at once, which costs far less than its launches one by one, and runs
//! side by side what no barrier keeps apart.
//!
//! The steps of a generation are the same launches again and again, with a few other parameters. So the graph of a submission is kept,
//! found again by its kernels and barriers, and the parameters that differ are changed in place.

use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys;

use super::driver::{Failure, Gpu, check, get};
use super::launch::{Ready, each_part};
use crate::backend::Commands;

/// Submissions of fewer launches are not worth a graph.
const FEWEST_LAUNCHES: usize = 4;

/// Graphs that are kept, the latest used. Steps of one model need one; another one is for the last part of a prompt, say.
const KEPT: usize = 4;

/// Shapes of submissions that are remembered: a graph is made when one comes again, as most prompts are never computed twice.
const REMEMBERED: usize = 8;

/// What must be equal for a graph to serve: for each node its kernel and whether it waits for those before it.
type Shape = Vec<(sys::CUfunction, bool)>;

/// The graphs of a GPU.
#[derive(Default)]
pub(super) struct Graphs(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// The latest used last.
    graphs: Vec<Graph>,
    /// Shapes that came once, the latest last.
    seen: Vec<Shape>,
}

// SAFETY: the driver's handles may be used from any thread, and the lock lets one at a time.
unsafe impl Send for Kept {}

impl Graphs {
    /// Runs the launches of a submission as a graph, if it is worth one. `None` if not: nothing was started then. The result is the failed
    /// launch and the reason.
    ///
    /// # Safety
    /// The commands are valid, the context is current, and everything stays so until the stream is done.
    pub unsafe fn run(
        &self,
        gpu: &Arc<Gpu>,
        commands: &Commands<'_>,
    ) -> Option<Result<(), (usize, String)>> {
        if commands.launches.len() < FEWEST_LAUNCHES {
            return None;
        }
        // SAFETY: the caller's promise.
        let shape = match unsafe { shape(commands) } {
            Ok(shape) => shape,
            Err(error) => return Some(Err(error)),
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { graphs, seen } = &mut *kept;
        let mut graph = match graphs.iter().position(|graph| graph.shape == shape) {
            Some(at) => graphs.remove(at),
            None => {
                let Some(at) = seen.iter().position(|known| *known == shape) else {
                    if seen.len() == REMEMBERED {
                        seen.remove(0);
                    }
                    seen.push(shape);
                    return None;
                };
                // SAFETY: the caller's promise.
                match unsafe { Graph::new(gpu, commands, seen.remove(at)) } {
                    Ok(graph) => graph,
                    Err(reason) => {
                        tracing::warn!(device = gpu.name, reason, "launching without a graph");
                        return None;
                    }
                }
            }
        };
        // SAFETY: the caller's promise.
        let ran = unsafe { graph.update(commands) }.and_then(|()| {
            // SAFETY: the graph is ready, and the stream lives.
            check(unsafe { sys::cuGraphLaunch(graph.ready, gpu.stream) })
                .map_err(|failure| (0, format!("cannot start the graph of launches: {failure}")))
        });
        if ran.is_ok() {
            if graphs.len() == KEPT {
                graphs.remove(0);
            }
            graphs.push(graph);
        }
        Some(ran)
    }

    /// Forgets everything: code is unloaded that graphs may use. Nothing runs.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }
}

/// The shape of a submission.
///
/// # Safety
/// As for `Graphs::run`.
unsafe fn shape(commands: &Commands<'_>) -> Result<Shape, (usize, String)> {
    let mut shape = Shape::with_capacity(commands.launches.len());
    for (index, launch) in commands.launches.iter().enumerate() {
        let mut waits = launch.barrier_before;
        let take = |part: &mut Ready<'_>| {
            shape.push((part.function, waits));
            // The parts of a launch do not wait for each other.
            waits = false;
            Ok(())
        };
        // SAFETY: the caller's promise.
        unsafe { each_part(commands, launch, take) }.map_err(|reason| (index, reason))?;
    }
    Ok(shape)
}

/// A graph that is ready to run.
struct Graph {
    gpu: Arc<Gpu>,
    shape: Shape,
    graph: sys::CUgraph,
    ready: sys::CUgraphExec,
    nodes: Vec<Node>,
}

/// A launch in a graph, with what it was last given.
struct Node {
    handle: sys::CUgraphNode,
    sizes: [[u32; 3]; 2],
    shared: u32,
    parameters: Vec<u8>,
}

impl Graph {
    /// # Safety
    /// As for `Graphs::run`; the shape is that of the commands.
    unsafe fn new(gpu: &Arc<Gpu>, commands: &Commands<'_>, shape: Shape) -> Result<Self, String> {
        let said = |failure: Failure| failure.to_string();
        // SAFETY: writes the handle.
        let handle = get(ptr::null_mut(), |graph| unsafe {
            sys::cuGraphCreate(graph, 0)
        })
        .map_err(said)?;
        let mut graph = Graph {
            gpu: gpu.clone(),
            shape,
            graph: handle,
            ready: ptr::null_mut(),
            nodes: Vec::new(),
        };
        // A node waits for all nodes between the last two barriers, each of which waits for those before.
        let mut before: Vec<sys::CUgraphNode> = Vec::new();
        let mut beside: Vec<sys::CUgraphNode> = Vec::new();
        for launch in commands.launches {
            if launch.barrier_before && !beside.is_empty() {
                before = std::mem::take(&mut beside);
            }
            let take = |part: &mut Ready<'_>| {
                let values = node_values(part);
                // SAFETY: the dependencies are nodes of this graph; the values are as for a launch and are copied.
                let handle = get(ptr::null_mut(), |node| unsafe {
                    sys::cuGraphAddKernelNode(node, handle, before.as_ptr(), before.len(), &values)
                })
                .map_err(said)?;
                beside.push(handle);
                graph.nodes.push(Node {
                    handle,
                    sizes: [part.blocks, part.threads],
                    shared: part.shared,
                    // SAFETY: the caller's promise.
                    parameters: unsafe { bytes(part) },
                });
                Ok(())
            };
            // SAFETY: the caller's promise.
            unsafe { each_part(commands, launch, take) }?;
        }
        // SAFETY: writes the handle; the graph is whole.
        graph.ready = get(ptr::null_mut(), |ready| unsafe {
            sys::cuGraphInstantiateWithFlags(ready, graph.graph, 0)
        })
        .map_err(said)?;
        Ok(graph)
    }

    /// Gives the nodes the sizes and parameters of the commands where they are others.
    ///
    /// # Safety
    /// As for `Graphs::run`; the shape is that of the commands.
    unsafe fn update(&mut self, commands: &Commands<'_>) -> Result<(), (usize, String)> {
        let mut nodes = self.nodes.iter_mut();
        for (index, launch) in commands.launches.iter().enumerate() {
            let take = |part: &mut Ready<'_>| {
                let node = nodes.next().ok_or("the graph has fewer launches")?;
                let sizes = [part.blocks, part.threads];
                // SAFETY: the caller's promise.
                let parameters = unsafe { bytes(part) };
                if (node.sizes, node.shared) == (sizes, part.shared)
                    && node.parameters == parameters
                {
                    return Ok(());
                }
                let values = node_values(part);
                // SAFETY: the node is one of this graph; the values are as for a launch and are copied.
                check(unsafe {
                    sys::cuGraphExecKernelNodeSetParams(self.ready, node.handle, &values)
                })
                .map_err(|failure| format!("cannot change its parameters: {failure}"))?;
                (node.sizes, node.shared) = (sizes, part.shared);
                node.parameters = parameters;
                Ok(())
            };
            // SAFETY: the caller's promise.
            unsafe { each_part(commands, launch, take) }.map_err(|reason| (index, reason))?;
        }
        Ok(())
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        if self.gpu.enter().is_err() {
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
    }
}

/// The bytes of all parameters.
///
/// # Safety
/// Each points to as many bytes as are said.
unsafe fn bytes(part: &Ready<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(part.lengths.iter().sum());
    for (&parameter, &length) in part.parameters.iter().zip(part.lengths) {
        // SAFETY: the caller's promise.
        bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(parameter.cast(), length) });
    }
    bytes
}
