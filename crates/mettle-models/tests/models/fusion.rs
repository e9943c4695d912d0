//! Fused and separate launches compute the same, and how many launches there are.

use std::collections::BTreeMap;
use std::fmt::Write;

use mettle_gpu::{Device, Preference};
use mettle_kernels::catalogue;
use mettle_models::{Checkpoint, Fusion, KvFormat, LoadOptions, Model};
use safetensors::SafeTensors;

use crate::support::{asset, fixture, nmse, values_of};

/// The largest error of logits with fusions against those without.
const ALLOWED: f64 = 1e-10;

/// A file or a folder.
fn open(name: &str) -> Checkpoint {
    let folder = fixture(name);
    let path = match folder.is_dir() {
        true => folder,
        false => fixture(&format!("{name}.gguf")),
    };
    Checkpoint::open(path).unwrap()
}

fn load(file: &Checkpoint, fusion: Fusion, chunk: usize) -> Model {
    let device = Device::open(Preference::Cpu).unwrap();
    let options = LoadOptions {
        kv_format: KvFormat::F32,
        chunk: Some(chunk),
        fusion,
        ..LoadOptions::default()
    };
    Model::load(&device, file, &options).unwrap()
}

/// Logits by every way through the model: of all tokens of a chunk, of one token after the other, and of the last token of a text
/// that is read in two chunks.
fn logits(file: &Checkpoint, fusion: Fusion, tokens: &[u32]) -> Vec<f32> {
    let model = load(file, fusion, tokens.len() / 2 + 1);
    let mut session = model.session().unwrap();
    let mut logits = Vec::new();
    session
        .forward_each(tokens, |_, row| logits.extend_from_slice(row))
        .unwrap();
    session.clear();
    for &id in &tokens[..8] {
        logits.extend(session.forward(&[id]).unwrap().to_vec::<f32>().unwrap());
    }
    session.clear();
    logits.extend(session.forward(tokens).unwrap().to_vec::<f32>().unwrap());
    logits
}

fn agree(name: &str, file: &Checkpoint, tokens: &[u32]) {
    let [fused, separate] = [Fusion::On, Fusion::Off].map(|fusion| logits(file, fusion, tokens));
    let error = nmse(&fused, &separate);
    println!("{name}: NMSE {error:.2e} with fusions against without");
    assert!(error <= ALLOWED, "{name}: {error:e}");
}

/// Every architecture, plain and quantised weights, a window, and scaled frequencies.
#[test]
fn fusions_change_nothing_in_small_models() {
    for name in [
        "llama-gqa2-f32",
        "llama-rope-scaled-f16",
        "llama-window-f32",
        "llama-gqa4-q8_0",
        "qwen2-gqa2-f32",
        "gemma2-f32",
        "gemma3-f32",
        "gemma4-f32",
        "gemma4-dense-q8_0",
        "gemma4-moe-f32",
        "phi3-longrope-f32",
        "qwen35-f32",
        "qwen35moe-f32",
        "qwen3next-mixed",
        "deepseek2-f32",
        "deepseek2-lite-q8_0",
        "qwen3-tied-f32",
        "qwen3-untied-q8_0",
        "qwen3-tied-mixed",
        "qwen3moe-f32",
        "qwen3moe-mixed",
        "qwen3-mlx-4bit",
        "qwen3moe-mlx-4bit",
    ] {
        let file = open(name);
        let bytes = std::fs::read(fixture(&format!("{name}.safetensors"))).unwrap();
        let answers = SafeTensors::deserialize(&bytes).unwrap();
        let tokens: Vec<u32> = values_of(answers.tensor("tokens").unwrap().data());
        agree(name, &file, &tokens);
    }
}

#[test]
fn fusions_change_nothing_in_the_bundled_model() {
    for kind in ["q8_0", "q4_0"] {
        let Some(path) = asset(&format!("mettle-kjv-{kind}.gguf")) else {
            return;
        };
        let tokens: Vec<u32> = (0..40).map(|i| 3 + 37 * i).collect();
        agree(kind, &Checkpoint::open(path).unwrap(), &tokens);
    }
}

/// Launches of the pass over one token, by kernel: with fusions, and without.
fn launches(name: &str) -> String {
    let file = open(name);
    let mut kernels: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    let mut totals = [(0, 0); 2];
    for (way, fusion) in [Fusion::On, Fusion::Off].into_iter().enumerate() {
        let model = load(&file, fusion, 8);
        let mut session = model.session().unwrap();
        session.forward(&[1, 2, 3]).unwrap();
        session.start_profile();
        session.forward(&[4]).unwrap();
        let prepared = model.pipelines();
        for (kernel, time) in session.profile().unwrap().kernels() {
            let known = prepared.iter().any(|pipeline| pipeline.kernel == kernel);
            // There may be none for heads as small as these.
            let of_heads = catalogue::kernels()
                .any(|k| k.name == kernel && k.constants.contains(&"HEAD_SIZE"));
            assert!(
                known || of_heads,
                "{kernel} is not among the pipelines of the model"
            );
            kernels.entry(kernel.to_owned()).or_default()[way] = time.calls;
        }
        let launches = session.launches();
        totals[way] = (launches.count, launches.barriers);
    }
    let mut table = String::new();
    let mut row = |what: &str, [fused, separate]: [u64; 2]| {
        writeln!(table, "{what:30} {fused:5} {separate:8}").unwrap();
    };
    for (kernel, calls) in kernels {
        row(&kernel, calls);
    }
    row("all", totals.map(|(count, _)| count as u64));
    row("that wait", totals.map(|(_, barriers)| barriers as u64));
    table
}

/// What a token costs in launches on the CPU device: a Qwen3 of three blocks, a Gemma 4 and a Qwen3.5 of four, the others of two. On GPUs attention takes a second one
/// where it splits the keys.
#[test]
fn launches_of_a_token() {
    insta::assert_snapshot!(launches("llama-gqa2-f32"), @"
    attention_f32                      2        2
    binary_assign_f32                  0        4
    binary_f32                         0        2
    embedding_f32                      1        1
    kv_append_f32                      0        2
    mul_mv_f32_f32                     9       15
    qk_norm_rope_append_f32            2        0
    rms_norm_f32                       5        5
    rope_f32                           0        4
    all                               19       35
    that wait                         18       26
    ");
    insta::assert_snapshot!(launches("qwen2-gqa2-f32"), @"
    attention_f32                      2        2
    binary_assign_f32                  0       10
    binary_f32                         0        2
    embedding_f32                      1        1
    kv_append_f32                      0        2
    mul_mv_f32_f32                     9       15
    qk_norm_rope_append_f32            2        0
    rms_norm_f32                       5        5
    rope_f32                           0        4
    all                               19       41
    that wait                         18       28
    ");
    insta::assert_snapshot!(launches("qwen3-untied-q8_0"), @"
    attention_f32                      3        3
    binary_assign_f32                  0        6
    binary_f32                         0        3
    embedding_q8_0                     1        1
    kv_append_f32                      0        3
    mul_mv_q8_0_f32                   13       22
    qk_norm_rope_append_f32            3        0
    rms_norm_assign_f32                0        6
    rms_norm_f32                       7        7
    rope_f32                           0        6
    all                               27       57
    that wait                         26       41
    ");
    insta::assert_snapshot!(launches("qwen3moe-f32"), @"
    attention_f32                      2        2
    binary_assign_f32                  0        6
    embedding_f32                      1        1
    kv_append_f32                      0        2
    moe_combine_f32                    2        2
    moe_route_f32                      2        2
    mul_mv_f32_f32                    11       17
    qk_norm_rope_append_f32            2        0
    rms_norm_assign_f32                0        4
    rms_norm_f32                       5        5
    rope_f32                           0        4
    all                               25       45
    that wait                         24       34
    ");
    insta::assert_snapshot!(launches("qwen3moe-mlx-4bit"), @"
    attention_f32                      2        2
    binary_assign_f32                  0        6
    embedding_affine                   1        1
    kv_append_f32                      0        2
    moe_combine_f32                    2        2
    moe_route_f32                      2        2
    mul_mv_affine_f32                 10       16
    mul_mv_bf16_f32                    1        1
    qk_norm_rope_append_f32            2        0
    rms_norm_assign_f32                0        4
    rms_norm_f32                       5        5
    rope_f32                           0        4
    all                               25       45
    that wait                         24       34
    ");
    insta::assert_snapshot!(launches("gemma2-f32"), @"
    attention_f32                      2        2
    binary_assign_f32                  0        4
    binary_f32                         2        2
    embedding_f32                      1        1
    kv_append_f32                      0        2
    mul_mv_f32_f32                    11       15
    qk_norm_rope_append_f32            2        0
    residual_norm_f32                  4        0
    rms_norm_assign_f32                0        4
    rms_norm_f32                       5        5
    rope_f32                           0        4
    unary_assign_f32                   1        1
    all                               28       40
    that wait                         25       31
    ");
    insta::assert_snapshot!(launches("gemma4-f32"), @"
    attention_f32                      4        4
    binary_assign_f32                  0       13
    binary_f32                         8        8
    embedding_f32                      2        2
    head_norm_rope_f32                 2        0
    kv_append_f32                      0        2
    mul_mv_f32_f32                    30       34
    qk_norm_rope_append_f32            2        0
    residual_norm_f32                 13        0
    rms_norm_assign_f32                2       21
    rms_norm_f32                       9        9
    rope_f32                           0        6
    unary_assign_f32                   1        5
    all                               73      104
    that wait                         66       87
    ");
    insta::assert_snapshot!(launches("qwen35-f32"), @"
    attention_f32                      1        1
    binary_assign_f32                  0        8
    binary_f32                         1        5
    copy_f32_f32                       1        1
    decay_beta_f32                     3        3
    embedding_f32                      1        1
    gated_delta_net_step_f32           3        3
    kv_append_f32                      0        1
    mul_mv_f32_f32                    28       32
    qk_norm_rope_append_f32            1        0
    rms_norm_assign_f32                0        2
    rms_norm_f32                       9        9
    rms_norm_gated_f32                 3        3
    rope_f32                           0        2
    ssm_conv_step_f32                  3        3
    all                               54       74
    that wait                         39       53
    ");
    insta::assert_snapshot!(launches("qwen35moe-f32"), @"
    attention_f32                      1        1
    binary_assign_f32                  0       16
    binary_f32                         1        1
    copy_f32_f32                       1        1
    decay_beta_f32                     3        3
    embedding_f32                      1        1
    gated_delta_net_step_f32           3        3
    kv_append_f32                      0        1
    moe_combine_f32                    4        4
    moe_route_f32                      4        4
    mul_mv_f32_f32                    44       52
    qk_norm_rope_append_f32            1        0
    rms_norm_assign_f32                0        2
    rms_norm_f32                       9        9
    rms_norm_gated_f32                 3        3
    rope_f32                           0        2
    ssm_conv_step_f32                  3        3
    all                               78      106
    that wait                         51       69
    ");
    insta::assert_snapshot!(launches("deepseek2-f32"), @"
    attention_f32                      3        3
    binary_assign_f32                  0       10
    binary_f32                         0        1
    copy_f32_f32                       3        3
    embedding_f32                      1        1
    latent_append_f32                  3        3
    moe_combine_f32                    2        2
    moe_route_f32                      2        2
    mul_mv_f32_f32                    37       42
    rms_norm_f32                      10       10
    all                               61       77
    that wait                         47       58
    ");
    insta::assert_snapshot!(launches("phi3-longrope-f32"), @"
    attention_f32                      2        2
    binary_assign_f32                  0        4
    binary_f32                         0        2
    embedding_f32                      1        1
    kv_append_f32                      0        2
    mul_mv_f32_f32                     9       15
    qk_norm_rope_append_f32            2        0
    rms_norm_f32                       5        5
    rope_f32                           0        4
    all                               19       35
    that wait                         18       26
    ");
}
