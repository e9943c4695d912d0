// Draws the next token from logits, wholly on the device.
//
// The filters are those of llama.cpp's default chain, in its order: top-k, top-p, min-p, then temperature, then the
// draw. Each keeps the first so many candidates in the order of falling logits (among equals: of rising ids). Nothing is
// sorted for that: a filter is a threshold, found by bisection over the bits of a logit.

#include <metal_stdlib>
#include <mettle/group.h>
#include <mettle/philox.h>
#include <mettle/wide.h>

using namespace metal;
using namespace mettle_kernels;

// One thread does all the work (CPU) instead of a threadgroup (GPU).
constant bool ONE_THREAD [[function_constant(0)]];

#pragma mettle variant(sample_*, ONE_THREAD = true)

struct Params {
    ulong seed;
    ulong position;     // of the token in its text: the counter of the random generator
    uint count;         // of logits
    uint top_k;         // candidates that the first filter keeps; 0: all
    float top_p;        // share of the probability that the second filter keeps at least; 1: all
    float min_p;        // least probability, relative to the best candidate's, that the third filter keeps; 0: all
    float temperature;  // 0: the best candidate, without a draw
};

// --------------------------------------------------------------------------------------------------------- threshold

// Integers in the order of the floats they stand for; the other way round, `from_key`.
METAL_FUNC uint to_key(float x)
{
    const uint bits = as_type<uint>(x);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

METAL_FUNC float from_key(uint key)
{
    return as_type<float>(key >> 31 ? key & 0x7fffffffu : ~key);
}

// The part of 0..count that the calling thread works on: one run a thread, so that order survives.
struct Run {
    uint begin;
    uint end;
};

METAL_FUNC Run run_of(Group group, uint count)
{
    const uint length = (count + group.threads - 1) / group.threads;
    return Run{min(count, length * group.thread_index), min(count, length * (group.thread_index + 1))};
}

// Weights that a threshold can be placed by: each value counts one...
struct Count {
    typedef uint Total;
    METAL_FUNC uint weight(float) const { return 1; }
};

// ... or its probability, but for a common factor.
struct Probability {
    typedef float Total;
    float best;
    METAL_FUNC float weight(float logit) const { return precise::exp(logit - best); }
};

// The total weight of the values of the group's runs that are not below the key `least`.
template <typename Weight, typename Values>
METAL_FUNC typename Weight::Total weight_from(Group group, Weight weigh, Values values, Run run, uint least)
{
    typename Weight::Total total = 0;
    for (uint i = run.begin; i < run.end; ++i) {
        if (to_key(values[i]) >= least) {
            total += weigh.weight(values[i]);
        }
    }
    return group_sum(group, total);
}

// The largest key such that the values not below it have a total weight of at least `target`; 0 where none has.
template <typename Weight, typename Values>
METAL_FUNC uint threshold(Group group, Weight weigh, Values values, Run run, typename Weight::Total target)
{
    uint key = 0;
    for (uint bit = 0x80000000u; bit != 0; bit >>= 1) {
        if (weight_from(group, weigh, values, run, key | bit) >= target) {
            key |= bit;
        }
    }
    return key;
}

// --------------------------------------------------------------------------------------------------------- candidates

// Tokens still in play, in the order of their ids. A filter drops a token by setting its logit to minus infinity.
struct Candidates {
    device float* logits;
    device uint* ids;
    Run run;
};

// Keeps the candidates above the key `least` and the first `equals` of those at it.
METAL_FUNC void keep(Group group, Candidates candidates, uint least, uint equals)
{
    uint at_least = 0;
    for (uint i = candidates.run.begin; i < candidates.run.end; ++i) {
        at_least += to_key(candidates.logits[i]) == least;
    }
    uint rank = group_sum_before(group, at_least);
    for (uint i = candidates.run.begin; i < candidates.run.end; ++i) {
        const uint key = to_key(candidates.logits[i]);
        if (key < least || (key == least && rank++ >= equals)) {
            candidates.logits[i] = -INFINITY;
        }
    }
}

METAL_FUNC void keep_top_k(Group group, Candidates candidates, uint k)
{
    const uint least = threshold(group, Count(), candidates.logits, candidates.run, k);
    const uint above = weight_from(group, Count(), candidates.logits, candidates.run, least + 1);
    keep(group, candidates, least, k - above);
}

// Keeps the fewest candidates that together have at least the weight `target`.
METAL_FUNC void keep_top_p(Group group, Candidates candidates, float best, float target)
{
    const Probability weigh{best};
    const uint least = threshold(group, weigh, candidates.logits, candidates.run, target);
    if (least == 0) {
        return;
    }
    const float above = weight_from(group, weigh, candidates.logits, candidates.run, least + 1);
    const float equals = ceil((target - above) / weigh.weight(from_key(least)));
    keep(group, candidates, least, uint(clamp(equals, 1.0f, 1e9f)));
}

// At temperature 0 only the best count.
METAL_FUNC float draw_weight(float logit, float best, float temperature)
{
    return temperature > 0.0f ? precise::exp((logit - best) / temperature) : float(logit == best);
}

// The place of the first candidate at which the running total of the weights exceeds `share` of the whole; 0xffffffff
// where no candidate has a weight.
METAL_FUNC uint draw(Group group, Candidates candidates, float best, float temperature, float share)
{
    const Run run = candidates.run;
    float own = 0.0f;
    for (uint i = run.begin; i < run.end; ++i) {
        own += draw_weight(candidates.logits[i], best, temperature);
    }
    const float before = group_sum_before(group, own);
    const float target = share * group_sum(group, own);

    uint found = UINT_MAX;
    uint after_last = 0;
    float running = 0.0f;
    for (uint i = run.begin; i < run.end && found == UINT_MAX; ++i) {
        const float weight = draw_weight(candidates.logits[i], best, temperature);
        running += weight;
        if (weight > 0.0f) {
            after_last = i + 1;
            found = before + running > target ? i : UINT_MAX;
        }
    }
    // Rounding may leave the target just beyond the last total: then it is the last candidate's.
    found = group_min(group, found);
    after_last = group_max(group, after_last);
    return found != UINT_MAX ? found : after_last - 1;
}

// ------------------------------------------------------------------------------------------------------------ logits

// The logits are looked at in blocks of whole sixteens, whose maxima tell where candidates are.
constant constexpr uint MAX_BLOCKS = 4096;

struct Logits {
    device const float* values;
    uint count;
    threadgroup float* maxima;  // [blocks]
    uint block_size;
    uint blocks;
    Run run;  // of blocks
};

// Computes the maxima of the blocks and returns that of all.
METAL_FUNC float find_maxima(Group group, Logits logits)
{
    float best = -INFINITY;
    for (uint block = logits.run.begin; block < logits.run.end; ++block) {
        const uint end = min(logits.count, (block + 1) * logits.block_size);
        wide highest = splat(-INFINITY);
        for (uint i = block * logits.block_size; i < end; i += WIDE) {
            highest = max(load_next(logits.values + i, end - i, -INFINITY), highest);
        }
        logits.maxima[block] = largest(highest);
        best = max(best, logits.maxima[block]);
    }
    return group_max(group, best);
}

// The sum of exp(logit - best) over all logits that are numbers.
METAL_FUNC float total_probability(Group group, Logits logits, float best)
{
    wide totals = splat(0.0f);
    for (uint i = WIDE * group.thread_index; i < logits.count; i += WIDE * group.threads) {
        const wide values = max(load_next(logits.values + i, logits.count - i, -INFINITY), splat(-INFINITY));
        totals = totals + exp(values - splat(best));
    }
    return group_sum(group, sum(totals));
}

// As a place to write to: only count.
constant constexpr uint NOWHERE = 0xffffffff;

// Writes the logits of the calling thread's run that are at least `least` and their places to `to` on, and returns how
// many there are. Where `to` is NOWHERE, it only counts them.
METAL_FUNC uint gather(Logits logits, float least, device float* out_logits, device uint* out_ids, uint to)
{
    uint found = 0;
    for (uint block = logits.run.begin; block < logits.run.end; ++block) {
        if (logits.maxima[block] < least) {
            continue;
        }
        const uint end = min(logits.count, (block + 1) * logits.block_size);
        for (uint i = block * logits.block_size; i < end; ++i) {
            const float logit = logits.values[i];
            if (logit >= least) {
                if (to != NOWHERE) {
                    out_logits[to + found] = logit;
                    out_ids[to + found] = i;
                }
                ++found;
            }
        }
    }
    return found;
}

// --------------------------------------------------------------------------------------------------------- the kernel

// out[0] = the token drawn from softmax(logits / temperature) among those that the filters keep, with the random number
// that belongs to (seed, position): the same on every device, up to rounding. NaN and minus infinity are never drawn;
// where nothing else is left, or where plus infinity leaves no probabilities, the result is `count`, which is no token.
//
// logits, candidate_logits and candidate_ids are [count]; the last two are scratch. One thread (ONE_THREAD) or one
// threadgroup.
kernel void sample_f32(
    device const float* logits           [[buffer(0)]],
    device uint*        out              [[buffer(1)]],
    device float*       candidate_logits [[buffer(2)]],
    device uint*        candidate_ids    [[buffer(3)]],
    constant Params&    params           [[buffer(4)]],
    uint thread_index [[thread_index_in_threadgroup]],
    uint threads      [[threads_per_threadgroup]],
    uint lane         [[thread_index_in_simdgroup]],
    uint simd_group   [[simdgroup_index_in_threadgroup]],
    uint simd_groups  [[simdgroups_per_threadgroup]])
{
    threadgroup uint scratch[MAX_SIMD_GROUPS];
    threadgroup float maxima[MAX_BLOCKS];
    const Group group =
        ONE_THREAD ? lone_thread() : Group{thread_index, threads, lane, simd_group, simd_groups, scratch};

    const uint count = params.count;
    const uint block_size = ((count + MAX_BLOCKS - 1) / MAX_BLOCKS + WIDE - 1) / WIDE * WIDE;
    const uint blocks = (count + block_size - 1) / block_size;
    const Logits all = {logits, count, maxima, block_size, blocks, run_of(group, blocks)};
    const float best = find_maxima(group, all);

    // The lowest logit that a candidate may have. The k best are not below the k-th highest maximum. Without top-k, min-p
    // gives a bound; so does top-p, because tokens below the average of what it drops cannot be needed.
    const bool filter_k = params.top_k != 0 && params.top_k < count;
    const bool filter_p = params.top_p < 1.0f;
    const float min_p_logit = params.min_p > 0.0f ? best + precise::log(params.min_p) : -INFINITY;
    float least = -MAXFLOAT;
    float total = 0.0f;
    if (filter_k) {
        if (params.top_k <= blocks) {
            least = max(least, from_key(threshold(group, Count(), maxima, all.run, params.top_k)));
        }
    } else {
        least = max(least, min_p_logit);
        if (filter_p) {
            total = total_probability(group, all, best);
            least = max(least, best + precise::log(0.5f * (1.0f - params.top_p) * total / float(count)));
        }
    }

    // Collect the candidates in the order of their ids. The barrier lets every thread see what the others wrote.
    const uint own = gather(all, least, candidate_logits, candidate_ids, NOWHERE);
    gather(all, least, candidate_logits, candidate_ids, group_sum_before(group, own));
    const uint found = group_sum(group, own);
    group_barrier(group);

    const Candidates candidates = {candidate_logits, candidate_ids, run_of(group, found)};
    if (filter_k && params.top_k < found) {
        keep_top_k(group, candidates, params.top_k);
    }
    if (filter_p) {
        if (filter_k) {
            total = weight_from(group, Probability{best}, candidate_logits, candidates.run, 0);
        }
        keep_top_p(group, candidates, best, max(params.top_p * total, FLT_MIN));  // at least the best one
    }
    keep(group, candidates, to_key(min_p_logit), UINT_MAX);

    const float share = random_share(params.seed, params.position);
    const uint chosen = draw(group, candidates, best, params.temperature, params.temperature > 0.0f ? share : 0.0f);
    if (group.thread_index == 0) {
        out[0] = chosen == UINT_MAX ? count : candidate_ids[chosen];
    }
}
