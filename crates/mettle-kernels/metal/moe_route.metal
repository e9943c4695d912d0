// Routing of tokens to experts: a score for each expert, the few best of them, and their weights.
//
// The best are found one after the other, as the largest of those that come behind the last one found: nothing depends on the number of
// experts being a power of two, and nothing but the order has to be kept in memory.

#include <metal_stdlib>
#include <mettle/group.h>

using namespace metal;
using namespace mettle_kernels;

// One thread takes a token by itself (CPU) instead of a SIMD group (GPU).
constant bool ROW_PER_THREAD [[function_constant(0)]];

// Scores are sigmoids of the logits rather than the softmax of them all.
constant bool SIGMOID [[function_constant(1)]];

// The best are those whose scores and biases together are largest. Otherwise they are those of the largest logits, which scores have
// the order of but where they are rounded to the same.
constant bool BIASED [[function_constant(2)]];

// When weights are multiplied by scales of the experts, of the values below.
constant uint SCALES [[function_constant(3)]];

// Never: there are none.
constant constexpr uint UNSCALED = 0;
// After the weights have been divided by their sum.
constant constexpr uint AFTER = 1;
// Before, so that the sum is that of products.
constant constexpr uint BEFORE = 2;

#pragma mettle variant(cpu: moe_route_f32, ROW_PER_THREAD = true, SIGMOID = false, BIASED = false, SCALES = 0)
#pragma mettle variant(gpu: moe_route_f32, ROW_PER_THREAD = false, SIGMOID = false, BIASED = false, SCALES = 0)

struct Params {
    uint experts;
    uint slots;          // experts of a token
    uint groups;         // equal ones that the experts are in, side by side; 1 for no limit
    uint groups_kept;    // of which the best so many have the experts that are chosen from
    uint best_of_group;  // 1 or 2: a group is as good as the best so many of its experts together
    uint renormalise;    // whether the weights of a token are divided by their sum
    float scale;         // of the weights
};

// Numbers in the order of floats, greater for greater ones: equal for both zeros, and zero for NaN, which comes last.
METAL_FUNC uint key_of(float x)
{
    if (isnan(x)) {
        return 0;
    }
    const uint bits = x == 0.0f ? 0 : as_type<uint>(x);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

// How a token's logits become scores.
struct Scoring {
    float largest;  // of the logits
    float total;    // of exp(logit - largest)

    METAL_FUNC float of(float logit) const
    {
        if (!SIGMOID) {
            return precise::exp(logit - largest) / total;
        }
        // By an exponential that does not overflow.
        const float e = precise::exp(-fabs(logit));
        return (logit < 0.0f ? e : 1.0f) / (1.0f + e);
    }
};

// A place in the order of keys: greater keys first, and lower ids among equal ones.
struct Place {
    uint key;
    uint id;

    METAL_FUNC bool is_before(uint other_key, uint other_id) const
    {
        return other_key < key || (other_key == key && other_id > id);
    }
};

// The next of `count` keys behind a place in their order. There is one.
METAL_FUNC Place next_of(Group group, threadgroup const uint* keys, uint count, Place last)
{
    Place best = {0, UINT_MAX};
    for (uint i = group.thread_index; i < count; i += group.threads) {
        const uint key = keys[i];
        if (last.is_before(key, i) && (best.id == UINT_MAX || key > best.key)) {
            best = Place{key, i};
        }
    }
    const uint key = group_max(group, best.key);
    return Place{key, group_min(group, best.key == key ? best.id : UINT_MAX)};
}

// Before all others: no key of a number is as large.
METAL_FUNC Place start() { return Place{UINT_MAX, 0}; }

// How good the experts `first` to `first + count` are together.
METAL_FUNC float score_of_group(
    device const float* logits, device const float* bias, Scoring scoring, uint first, uint count, uint best_of_group)
{
    float best = -INFINITY;
    float second = -INFINITY;
    for (uint i = first; i < first + count; ++i) {
        const float score = scoring.of(logits[i]) + (BIASED ? bias[i] : 0.0f);
        second = max(second, min(best, score));
        best = max(best, score);
    }
    return best_of_group > 1 && count > 1 ? best + second : best;
}

// For each token t, the experts ids[t, :] in falling order of their choice, the lowest id among equals, and weights[t, :], their scores
// times `scale` and, with SCALES, those of the experts. logits is [tokens, experts], bias and scales are [experts] and not read without BIASED
// and SCALES, ids and weights are [tokens, slots].
//
// One thread (ROW_PER_THREAD) or threadgroup of one SIMD group for each token; `keys` holds one for each expert and group.
kernel void moe_route_f32(
    device const float* logits  [[buffer(0)]],
    device const float* bias    [[buffer(1)]],
    device uint*        ids     [[buffer(2)]],
    device float*       weights [[buffer(3)]],
    constant Params&    params  [[buffer(4)]],
    device const float* scales  [[buffer(5)]],
    threadgroup uint*   keys    [[threadgroup(0)]],
    uint token [[threadgroup_position_in_grid]],
    uint lane  [[thread_index_in_threadgroup]])
{
    const Group group = ROW_PER_THREAD ? lone_thread() : Group{lane, 32, lane, 0, 1, nullptr};
    const uint experts = params.experts;
    logits += ulong(token) * experts;
    ids += ulong(token) * params.slots;
    weights += ulong(token) * params.slots;

    Scoring scoring = {0.0f, 1.0f};
    if (!SIGMOID) {
        float largest = -INFINITY;
        for (uint i = group.thread_index; i < experts; i += group.threads) {
            largest = max(largest, logits[i]);
        }
        scoring.largest = group_max(group, largest);
        float total = 0.0f;
        for (uint i = group.thread_index; i < experts; i += group.threads) {
            total += precise::exp(logits[i] - scoring.largest);
        }
        scoring.total = group_sum(group, total);
    }

    for (uint i = group.thread_index; i < experts; i += group.threads) {
        keys[i] = key_of(BIASED ? scoring.of(logits[i]) + bias[i] : logits[i]);
    }
    if (params.groups > 1) {
        const uint of_group = experts / params.groups;
        threadgroup uint* keys_of_groups = keys + experts;
        for (uint i = group.thread_index; i < params.groups; i += group.threads) {
            keys_of_groups[i] =
                key_of(score_of_group(logits, bias, scoring, i * of_group, of_group, params.best_of_group));
        }
        group_barrier(group);
        Place last = start();
        for (uint n = 0; n < params.groups_kept; ++n) {
            last = next_of(group, keys_of_groups, params.groups, last);
        }
        for (uint i = group.thread_index; i < experts; i += group.threads) {
            const uint of_expert = i / of_group;
            // Behind all that are kept, as those are enough.
            keys[i] = last.is_before(keys_of_groups[of_expert], of_expert) ? 0 : keys[i];
        }
    }
    group_barrier(group);

    Place place = start();
    float sum = 0.0f;
    for (uint slot = 0; slot < params.slots; ++slot) {
        place = next_of(group, keys, experts, place);
        const float score = scoring.of(logits[place.id]) * (SCALES == BEFORE ? scales[place.id] : 1.0f);
        sum += score;
        if (slot % group.threads == group.thread_index) {
            ids[slot] = place.id;
            weights[slot] = score;
        }
    }
    // All scores may be zero.
    const float factor = params.renormalise ? params.scale / max(sum, 1e-20f) : params.scale;
    for (uint slot = group.thread_index; slot < params.slots; slot += group.threads) {
        weights[slot] *= SCALES == AFTER ? factor * scales[ids[slot]] : factor;
    }
}
