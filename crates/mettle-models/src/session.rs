//! A text in the making: what has been read so far, and what may come next.

use mettle_gpu::{Buffer, DeviceKind, Pass, Profile, Submission, Tensor};
use mettle_kernels::ops;

use crate::{
    Error, Model, Result, Sampling, expert_cache::ExpertPass, kv_cache::KvCache, model::Outputs,
    scratch::Scratch,
};

/// Tokens whose logits are made together, at most: those of large vocabularies take half a megabyte each.
const MOST_LOGITS: usize = 512;

/// One sequence of tokens on a model: a KV cache and scratch memory.
///
/// Memory is allocated when the session is made; a forward pass takes only what one launch hands to the next, from the
/// device's pool. Token ids and positions stay on the device: when a token is drawn there, only its id is read back, and a GPU has the pass
/// over it at hand before the host knows it.
pub struct Session {
    model: Model,
    cache: KvCache,
    scratch: Scratch,
    /// Tokens read so far.
    position: usize,
    /// Whether a pass has ended half-way, so that layers remember different numbers of tokens.
    broken: bool,
    /// 0, 1, 2, ... to the end of the context; each pass over a prompt takes a slice.
    positions: Tensor,
    /// The position of a single token, `[1]`: always in the same place, so that the launches of one step are those of the next.
    step_position: Tensor,
    /// What it says when all that was submitted is done, where that is known.
    step_stands: Option<usize>,
    /// Ids of a chunk of a prompt.
    ids: Tensor,
    /// The ids drawn last, `[1]` each: the one at `turn` is also the next one read; the pass that reads it draws the other.
    drawn: [Tensor; 2],
    turn: usize,
    /// `[1, vocabulary]`: what may follow the token read last.
    logits: Tensor,
    /// `[vocabulary]`, the same memory.
    logits_row: Tensor,
    /// What launches of a pass over one token hand on to each other: one memory for all of these passes.
    step_scratch: Option<Buffer<u8>>,
    ahead: Option<Ahead>,
    /// Whether passes over one token are submitted while those before them run: the threads of a CPU have enough to do, and states that have
    /// seen a token cannot forget it.
    goes_ahead: bool,
    /// `[chunk, vocabulary]`, of at most [`MOST_LOGITS`] tokens; made when first asked for.
    all_logits: Option<Tensor>,
    /// Time by kernel of the passes so far, where it was asked for.
    profile: Option<Profile>,
    launches: Launches,
}

/// A pass over one token that was submitted while a GPU computed the one before. What it writes counts only if it is asked for: else the
/// passes that come instead write it again.
struct Ahead {
    submitted: Submitted,
    /// The position of the token.
    position: usize,
    sampling: Sampling,
}

/// A pass that a device runs.
struct Submitted {
    submission: Submission,
    launches: Launches,
}

/// What a pass is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Launches {
    /// Launches of kernels.
    pub count: usize,
    /// How many of them wait for those before.
    pub barriers: usize,
}

/// What a pass is to compute behind the blocks.
enum Want<'a> {
    /// Nothing: more of the prompt follows.
    Cache,
    /// The logits of the last token.
    Last,
    /// The logits of the last token, and a token drawn from them.
    Token(&'a Sampling),
    /// The logits of all tokens.
    All,
}

impl Session {
    pub(crate) fn new(model: Model) -> Result<Self> {
        let (device, config, options) = (model.device(), model.config(), model.options());
        let context = model.context();
        let chunk = options.chunk_for(device, config);
        let scratch = Scratch::new(device, config, model.rank(), context, chunk)?;
        // Loading has checked that the context fits i32.
        let positions: Vec<i32> = (0..context as i32).collect();
        let logits = Tensor::empty::<f32>(device, [1, config.vocabulary])?.labelled("logits");
        let cache = KvCache::new(device, config, context, chunk, options.kv_format)?;
        let drawn = || Tensor::zeros::<u32>(device, [1]).map(|id| id.labelled("token"));
        Ok(Self {
            goes_ahead: device.kind() != DeviceKind::Cpu && !cache.has_states(),
            cache,
            position: 0,
            broken: false,
            positions: Tensor::from_slice(device, &positions, [context])?.labelled("positions"),
            step_position: Tensor::zeros::<i32>(device, [1])?.labelled("position"),
            step_stands: None,
            ids: Tensor::zeros::<u32>(device, [scratch.size()])?.labelled("tokens"),
            drawn: [drawn()?, drawn()?],
            turn: 0,
            logits_row: logits.reshape([config.vocabulary])?,
            logits,
            step_scratch: None,
            ahead: None,
            all_logits: None,
            profile: None,
            launches: Launches::default(),
            scratch,
            model,
        })
    }

    /// The model it runs on.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Measures the kernels of all passes from here on: launches no longer overlap then.
    pub fn start_profile(&mut self) {
        self.profile = Some(Profile::default());
    }

    /// The time by kernel since [`start_profile`](Self::start_profile).
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// Launches of the last pass: over a chunk of a prompt, or over one token.
    pub fn launches(&self) -> Launches {
        self.launches
    }

    /// Tokens read so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Tokens that can still be read.
    pub fn room(&self) -> usize {
        self.model.context() - self.position
    }

    /// Forgets all tokens.
    pub fn clear(&mut self) {
        self.position = 0;
        self.broken = false;
    }

    /// Reads tokens and returns the logits of what follows the last one, `[1, vocabulary]`.
    ///
    /// The tensor is the session's own: the next pass writes into it.
    ///
    /// # Errors
    /// [`Error::ContextExceeded`], [`Error::TokenId`], [`Error::Request`] without tokens; nothing has been read then. [`Error::Io`] when experts that
    /// stay in files cannot be read; the session must be cleared then.
    pub fn forward(&mut self, ids: &[u32]) -> Result<Tensor> {
        self.read(ids, Want::Last, &mut || true)?;
        Ok(self.logits.clone())
    }

    /// Reads tokens and hands over the logits of what follows each, with the token's index in `ids`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_each(&mut self, ids: &[u32], mut each: impl FnMut(usize, &[f32])) -> Result<()> {
        self.check(ids)?;
        let vocabulary = self.model.config().vocabulary;
        let mut index = 0;
        for chunk in ids.chunks(self.scratch.size().min(MOST_LOGITS)) {
            self.pass(chunk, Want::All)?;
            let rows = self.logits_of(chunk.len())?.to_vec::<f32>()?;
            for row in rows.chunks_exact(vocabulary) {
                each(index, row);
                index += 1;
            }
        }
        Ok(())
    }

    /// Reads tokens and draws the one that follows. `None` when `proceed` says no before a chunk.
    pub(crate) fn start(
        &mut self,
        ids: &[u32],
        sampling: &Sampling,
        proceed: &mut dyn FnMut() -> bool,
    ) -> Result<Option<u32>> {
        match self.read(ids, Want::Token(sampling), proceed)? {
            true => self.id_drawn().map(Some),
            false => Ok(None),
        }
    }

    /// Reads the token that was drawn last and draws the one that follows. With `more`, that one will probably be read next.
    pub(crate) fn step(&mut self, sampling: &Sampling, more: bool) -> Result<u32> {
        self.check_room(1)?;
        let ahead = self.ahead.take().filter(|ahead| {
            self.profile.is_none() && (ahead.position, ahead.sampling) == (self.position, *sampling)
        });
        let model = self.model.clone();
        let mut experts = None;
        let submitted = match ahead {
            Some(ahead) => ahead.submitted,
            None => {
                experts = model.expert_pass(self.profile.is_some());
                self.place(1)?;
                self.submit_step(sampling, &mut experts)?
            }
        };
        self.turn = 1 - self.turn;
        // A pass that reads experts is not recorded before it runs, and one that is measured runs by itself.
        let goes_ahead = self.goes_ahead && experts.is_none() && self.profile.is_none();
        self.finish(submitted, 1, experts, |session| {
            if more && goes_ahead && session.room() > 0 {
                // What is wrong with it is said when it is needed: then it is recorded again.
                let submitted = session.submit_step(sampling, &mut None).ok();
                session.ahead = submitted.map(|submitted| Ahead {
                    submitted,
                    position: session.position,
                    sampling: *sampling,
                });
            }
        })
        .inspect_err(|_| self.turn = 1 - self.turn)?;
        self.id_drawn()
    }

    /// Submits the pass over the token that was drawn last, or that the pass before it draws.
    fn submit_step(
        &mut self,
        sampling: &Sampling,
        experts: &mut Option<ExpertPass<'_>>,
    ) -> Result<Submitted> {
        let pass = self.record(None, Want::Token(sampling), experts)?;
        let submitted = self.submit(pass)?;
        if self.goes_ahead {
            self.step_stands = Some(self.position + 1);
        }
        Ok(submitted)
    }

    fn id_drawn(&self) -> Result<u32> {
        let mut id = [0];
        self.drawn[self.turn].buffer::<u32>()?.read_into(&mut id)?;
        let [id] = id;
        if id as usize >= self.model.config().vocabulary {
            // Drawing from logits that are no numbers gives an id that no vocabulary has.
            return Err(Error::Logits {
                position: self.position,
            });
        }
        Ok(id)
    }

    /// Reads tokens in chunks; false when `proceed` said no.
    fn read(
        &mut self,
        ids: &[u32],
        want: Want<'_>,
        proceed: &mut dyn FnMut() -> bool,
    ) -> Result<bool> {
        self.check(ids)?;
        let chunks = ids.len().div_ceil(self.scratch.size());
        let mut want = Some(want);
        for (i, chunk) in ids.chunks(self.scratch.size()).enumerate() {
            if !proceed() {
                return Ok(false);
            }
            let last = i + 1 == chunks;
            let want = want.take_if(|_| last).unwrap_or(Want::Cache);
            self.pass(chunk, want)?;
        }
        Ok(true)
    }

    fn check(&self, ids: &[u32]) -> Result<()> {
        if ids.is_empty() {
            return Err(Error::Request("there are no tokens to read".to_owned()));
        }
        let vocabulary = self.model.config().vocabulary;
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocabulary) {
            return Err(Error::TokenId { id, vocabulary });
        }
        self.check_room(ids.len())
    }

    fn check_room(&self, tokens: usize) -> Result<()> {
        if self.broken {
            let reason = "the session's last pass ended half-way: it must be cleared";
            return Err(Error::Request(reason.to_owned()));
        }
        if tokens > self.room() {
            return Err(Error::ContextExceeded {
                tokens,
                used: self.position,
                context: self.model.context(),
            });
        }
        Ok(())
    }

    /// `[tokens, vocabulary]`, for at most a chunk and [`MOST_LOGITS`].
    fn logits_of(&mut self, tokens: usize) -> Result<Tensor> {
        let all = match self.all_logits.take() {
            Some(logits) => logits,
            None => {
                let rows = self.scratch.size().min(MOST_LOGITS);
                let shape = [rows, self.model.config().vocabulary];
                Tensor::empty::<f32>(self.model.device(), shape)?
            }
        };
        Ok(self.all_logits.insert(all).rows_range(0..tokens)?)
    }

    /// One pass over at most a chunk of ids.
    fn pass(&mut self, ids: &[u32], want: Want<'_>) -> Result<()> {
        self.ahead = None;
        let mut input = self.ids.rows_range(0..ids.len())?;
        input.write(ids)?;
        self.place(ids.len())?;
        let model = self.model.clone();
        let mut experts = model.expert_pass(self.profile.is_some());
        let pass = self.record(Some(ids.len()), want, &mut experts)?;
        let submitted = self.submit(pass)?;
        self.finish(submitted, ids.len(), experts, |_| {})
    }

    /// Says where a pass over so many tokens stands, before anything of it runs.
    fn place(&mut self, tokens: usize) -> Result<()> {
        if tokens == 1 && self.step_stands != Some(self.position) {
            self.step_stands = None;
            // Loading has checked that the context fits i32.
            self.step_position.write(&[self.position as i32])?;
            self.step_stands = Some(self.position);
        }
        Ok(())
    }

    /// Submits what is left of a pass.
    fn submit(&self, mut pass: Pass) -> Result<Submitted> {
        let launches = Launches {
            count: pass.len(),
            barriers: pass.barriers(),
        };
        pass.profile(self.profile.is_some());
        Ok(Submitted {
            submission: pass.submit()?,
            launches,
        })
    }

    /// Does something else while a device computes a pass over so many tokens, and waits for it.
    fn finish(
        &mut self,
        submitted: Submitted,
        tokens: usize,
        experts: Option<ExpertPass<'_>>,
        meanwhile: impl FnOnce(&mut Self),
    ) -> Result<()> {
        let before = self.position;
        self.position += tokens;
        meanwhile(self);
        // A pass may come again from there: what it has overwritten of a ring, none of its tokens sees.
        self.launches = submitted.launches;
        let times = submitted.submission.wait_profile().inspect_err(|_| {
            self.position = before;
            self.step_stands = None;
            self.ahead = None;
        })?;
        let submitted = experts.map(ExpertPass::end);
        if let Some(submitted) = &submitted {
            self.launches.count += submitted.launches.count;
            self.launches.barriers += submitted.launches.barriers;
        }
        if let Some(profile) = &mut self.profile {
            let earlier = submitted.map(|submitted| submitted.profile);
            earlier
                .iter()
                .chain([&times])
                .for_each(|times| profile.merge(times));
        }
        Ok(())
    }

    /// Records a pass over the first so many of `ids`, or over the token drawn last. With experts that stay in files, all but its end runs at once.
    fn record(
        &mut self,
        ids: Option<usize>,
        want: Want<'_>,
        experts: &mut Option<ExpertPass<'_>>,
    ) -> Result<Pass> {
        let tokens = ids.unwrap_or(1);
        let input = match ids {
            Some(tokens) => self.ids.rows_range(0..tokens)?,
            None => self.drawn[self.turn].clone(),
        };
        let position = self.position + tokens;
        let positions = match tokens {
            1 => self.step_position.clone(),
            _ => self.positions.rows_range(self.position..position)?,
        };
        let mut all_logits = match want {
            Want::All => Some(self.logits_of(tokens)?),
            _ => None,
        };

        let mut pass = self.model.device().pass();
        if ids.is_none() {
            pass.lend(self.step_scratch.take());
        }
        if self.position == 0 {
            self.cache.begin(&mut pass)?;
        }
        let activations = self.scratch.activations(tokens)?;
        let mut row = match want {
            Want::Last | Want::Token(_) if tokens > 1 => {
                Some(activations.tokens(tokens - 1..tokens)?)
            }
            _ => None,
        };
        let outputs = match (&want, &mut row) {
            (Want::Cache, _) => Outputs::None,
            (_, Some(row)) => Outputs::Last(row),
            (_, None) => Outputs::All,
        };
        let recorded = self.model.record_blocks(
            &mut pass,
            [&input, &positions],
            activations,
            outputs,
            &mut self.cache,
            experts,
        );
        if experts.is_some() {
            self.broken = recorded.is_err();
        }
        recorded?;
        if ids.is_none() && self.goes_ahead {
            ops::advance(&mut pass, &mut self.step_position)?;
        }
        if !matches!(want, Want::Cache) {
            let logits = all_logits.as_mut().unwrap_or(&mut self.logits);
            self.model
                .record_logits(&mut pass, row.as_mut().unwrap_or(activations), logits)?;
        }
        if let Want::Token(sampling) = want {
            // A step reads the one of `turn`.
            let turn = match ids {
                Some(_) => self.turn,
                None => 1 - self.turn,
            };
            self.record_draw(&mut pass, sampling, position, turn)?;
        }
        if ids.is_none() {
            self.step_scratch = pass.lent();
        }
        Ok(pass)
    }

    fn record_draw(
        &mut self,
        pass: &mut Pass,
        sampling: &Sampling,
        position: usize,
        turn: usize,
    ) -> Result<()> {
        let drawn = &mut self.drawn[turn];
        match sampling {
            Sampling::Greedy => ops::argmax(pass, &self.logits, drawn)?,
            Sampling::Random(sampling) => {
                ops::sample(pass, &self.logits_row, sampling, position as u64, drawn)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
