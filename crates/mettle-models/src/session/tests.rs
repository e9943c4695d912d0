//! Sessions that submit the pass over the next token ahead, on a CPU, where they would not by themselves.

use std::path::Path;

use mettle_gpu::{Device, Preference};

use super::*;
use crate::{Checkpoint, LoadOptions};

/// Tokens that fit in.
const CONTEXT: usize = 40;

fn session(goes_ahead: bool) -> Session {
    let device = Device::open(Preference::Cpu).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let file = Checkpoint::open(folder.join("qwen2-gqa2-f32.gguf")).unwrap();
    let options = LoadOptions {
        context: Some(CONTEXT),
        ..LoadOptions::default()
    };
    let mut session = Model::load(&device, &file, &options)
        .unwrap()
        .session()
        .unwrap();
    session.goes_ahead = goes_ahead;
    session
}

fn random(seed: u64) -> Sampling {
    Sampling::Random(ops::Sampling {
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        temperature: 1.5,
        seed,
    })
}

/// What both sessions draw when the same is done with them; the second one's passes are submitted ahead.
fn draws(script: impl Fn(&mut Session) -> Vec<u32>) -> [Vec<u32>; 2] {
    [false, true].map(|goes_ahead| script(&mut session(goes_ahead)))
}

fn start(session: &mut Session, ids: &[u32], sampling: &Sampling) -> u32 {
    let id = session.start(ids, sampling, &mut || true).unwrap();
    id.expect("nobody stops it")
}

fn steps(session: &mut Session, count: usize, sampling: &Sampling) -> Vec<u32> {
    let step = |_| {
        let id = session.step(sampling, true).unwrap();
        let ahead = session.goes_ahead && session.room() > 0;
        assert_eq!(session.ahead.is_some(), ahead);
        id
    };
    (0..count).map(step).collect()
}

#[test]
fn tokens_are_the_same() {
    for sampling in [Sampling::Greedy, random(5)] {
        let [plain, ahead] = draws(|session| {
            let first = start(session, &[3, 1, 4, 1, 5], &sampling);
            // To the end of the context.
            let rest = steps(session, CONTEXT - 5, &sampling);
            assert_eq!(session.room(), 0);
            assert!(matches!(
                session.step(&sampling, true),
                Err(Error::ContextExceeded { .. })
            ));
            [vec![first], rest].concat()
        });
        assert_eq!(plain, ahead);
        assert!(plain.iter().any(|&id| id != plain[0]), "{plain:?}");
    }
}

#[test]
fn another_sampling_is_not_the_one_submitted() {
    let [plain, ahead] = draws(|session| {
        let first = start(session, &[7, 7], &random(1));
        let parts = [
            vec![first],
            steps(session, 3, &random(1)),
            steps(session, 3, &random(2)),
            steps(session, 1, &Sampling::Greedy),
            steps(session, 3, &random(1)),
        ];
        parts.concat()
    });
    assert_eq!(plain, ahead);
}

#[test]
fn other_tokens_take_the_place_of_what_was_read_ahead() {
    let sampling = random(9);
    let [plain, ahead] = draws(|session| {
        let mut drawn = vec![start(session, &[2, 9], &sampling)];
        drawn.extend(steps(session, 4, &sampling));
        // One token, which stands where the one submitted does, and then several.
        drawn.push(start(session, &[6], &sampling));
        drawn.extend(steps(session, 2, &sampling));
        drawn.push(start(session, &[8, 0, 8], &sampling));
        drawn.extend(steps(session, 2, &sampling));
        // As many tokens of another text as had been read when a pass was submitted.
        let read = session.position();
        session.clear();
        let text: Vec<u32> = (0..read as u32).collect();
        drawn.push(start(session, &text, &sampling));
        drawn.extend(steps(session, 4, &sampling));
        drawn
    });
    assert_eq!(plain, ahead);
}

#[test]
fn nothing_is_submitted_ahead_for_the_last_token_or_a_profile() {
    let mut session = session(true);
    start(&mut session, &[1, 2, 3], &Sampling::Greedy);
    session.step(&Sampling::Greedy, false).unwrap();
    assert!(session.ahead.is_none());
    session.step(&Sampling::Greedy, true).unwrap();
    assert!(session.ahead.is_some());
    session.start_profile();
    session.step(&Sampling::Greedy, true).unwrap();
    assert!(session.ahead.is_none());
    let profile = session.profile().unwrap();
    assert!(
        profile
            .kernels()
            .any(|(name, _)| name.starts_with("advance"))
    );
}
