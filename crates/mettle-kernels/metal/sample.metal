// Draws the next token from logits, wholly on the device: one launch finds the maxima of blocks of logits, many at a time, and one thread or
// threadgroup does the rest, which is little.
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

#pragma mettle variant(cpu: sample_*, ONE_THREAD = true)
#pragma mettle variant(gpu: sample_*, ONE_THREAD = false)

struct Params {
    ulong seed;
    ulong position;     // of the token in its text: the counter of the random generator
    uint count;         // of logits, at most 2^24, so that f32 counts them exactly
    uint top_k;         // candidates that the first filter keeps; 0: all
    float top_p;        // share of the probability that the second filter keeps at least; 1: all
    float min_p;        // least probability, relative to the best candidate's, that the third filter keeps; 0: all
    float temperature;  // 0: the best candidate, without a draw
    uint block_size;    // logits of a block, whole sixteens: the maxima of blocks tell where candidates are
};

// --------------------------------------------------------------------------------------------------------------- runs

// Values of which the calling thread works on a run begin..end, one run a thread, so that order survives.
struct Values {
    device float* at;
    uint begin;
    uint end;
};

METAL_FUNC Values run_of(Group group, device float* values, uint count)
{
    const uint length = (count + group.threads - 1) / group.threads;
    return Values{values, min(count, length * group.thread_index), min(count, length * (group.thread_index + 1))};
}

METAL_FUNC wide load_run(Values values, uint i) { return load_next(values.at + i, values.end - i, -INFINITY); }

// What a value counts for: one...
struct Count {
    METAL_FUNC wide weight(wide) const { return splat(1.0f); }
};

// ... or its probability, but for a common factor...
struct Probability {
    float best;
    METAL_FUNC wide weight(wide logits) const { return exp(logits - splat(best)); }
};

// ... or that after the temperature. At temperature 0 only the best count.
struct Tempered {
    float best;
    float temperature;
    METAL_FUNC wide weight(wide logits) const
    {
        const wide zero = splat(0.0f);
        return temperature > 0.0f ? exp((logits - splat(best)) / splat(temperature))
                                  : if_less(logits, splat(best), zero, splat(1.0f));
    }
};

// The weight of the values of the calling thread that are at least `least`.
template <typename Weigh>
METAL_FUNC float own_weight(Weigh weigh, Values values, float least)
{
    const wide zero = splat(0.0f);
    wide total = zero;
    for (uint i = values.begin; i < values.end; i += WIDE) {
        const wide x = load_run(values, i);
        if (largest(x) >= least) {
            total = total + if_less(x, splat(least), zero, weigh.weight(x));
        }
    }
    return sum(total);
}

// That of all threads of the group.
template <typename Weigh>
METAL_FUNC float weight_from(Group group, Weigh weigh, Values values, float least)
{
    return group_sum(group, own_weight(weigh, values, least));
}

// ---------------------------------------------------------------------------------------------------------- thresholds

// The float that is number `key` in the order of floats. Keys of NaN lie beyond those of the infinities.
METAL_FUNC float from_key(uint key)
{
    return as_type<float>(key >> 31 ? key & 0x7fffffffu : ~key);
}

// The key of the highest value such that the values from there on have a weight of at least `target`; 0 where all
// together have less.
template <typename Weigh>
METAL_FUNC uint threshold(Group group, Weigh weigh, Values values, float target)
{
    // The first sixteen, which are all where threads have few values, are kept at hand for all steps.
    const wide zero = splat(0.0f);
    const wide first = load_run(values, values.begin);
    const wide weights = weigh.weight(first);
    const float highest = largest(first);
    const Values rest = {values.at, min(values.begin + WIDE, values.end), values.end};
    uint key = 0;
    for (uint bit = 0x80000000u; bit != 0; bit >>= 1) {
        const float least = from_key(key | bit);
        const float of_first = highest >= least ? sum(if_less(first, splat(least), zero, weights)) : 0.0f;
        const float own = of_first + own_weight(weigh, rest, least);
        if (group_sum(group, own) >= target) {
            key |= bit;
        }
    }
    return key;
}

// Drops the values below `least`, by setting them to minus infinity.
METAL_FUNC void drop_below(Values values, float least)
{
    for (uint i = values.begin; i < values.end; i += WIDE) {
        const wide x = load_run(values, i);
        store_next(values.at + i, if_less(x, splat(least), splat(-INFINITY), x), values.end - i);
    }
}

// Drops the values below that of the key `least`, and of those equal to it all but the first `equals`.
METAL_FUNC void keep(Group group, Values values, uint least, float equals)
{
    const float value = from_key(least);
    drop_below(values, value);
    const float own = own_weight(Count(), values, value) - own_weight(Count(), values, from_key(least + 1));
    float rank = group_sum_before(group, own);
    if (rank + own > equals) {
        for (uint i = values.begin; i < values.end; ++i) {
            if (values.at[i] == value && rank++ >= equals) {
                values.at[i] = -INFINITY;
            }
        }
    }
}

METAL_FUNC void keep_top_k(Group group, Values logits, float k)
{
    const uint least = threshold(group, Count(), logits, k);
    if (least != 0) {
        keep(group, logits, least, k - weight_from(group, Count(), logits, from_key(least + 1)));
    }
}

// Keeps the fewest logits that together have at least the weight `target`.
METAL_FUNC void keep_top_p(Group group, Values logits, float best, float target)
{
    const Probability weigh = {best};
    const uint least = threshold(group, weigh, logits, target);
    if (least != 0) {
        const float missing = target - weight_from(group, weigh, logits, from_key(least + 1));
        keep(group, logits, least, max(1.0f, ceil(missing / precise::exp(from_key(least) - best))));
    }
}

// The place of the first logit at which the running total of the weights exceeds `share` of the whole; 0xffffffff where
// no logit has a weight.
METAL_FUNC uint draw(Group group, Tempered weigh, Values logits, float share)
{
    const float own = own_weight(weigh, logits, -INFINITY);
    const float before = group_sum_before(group, own);
    const float target = share * group_sum(group, own);

    uint found = UINT_MAX;
    uint after_last = 0;
    float running = before;
    for (uint i = logits.begin; i < logits.end && found == UINT_MAX; i += WIDE) {
        const wide weights = weigh.weight(load_run(logits, i));
        const float sixteen = sum(weights);
        if (!(sixteen > 0.0f)) {
            continue;
        }
        float within = running;
        for (uint j = 0; j < WIDE && found == UINT_MAX; ++j) {
            const float weight = element(weights, j);
            within += weight;
            after_last = weight > 0.0f ? i + j + 1 : after_last;
            found = weight > 0.0f && within > target ? i + j : UINT_MAX;
        }
        running += sixteen;
    }
    // Rounding may leave the target just beyond the last total: then it is the last logit's.
    found = group_min(group, found);
    after_last = group_max(group, after_last);
    return found != UINT_MAX ? found : after_last - 1;
}

// ------------------------------------------------------------------------------------------------------------- logits

struct Logits {
    device const float* at;
    uint count;
    uint block_size;
    Values maxima;  // of the blocks
};

// The largest of all values.
METAL_FUNC float find_largest(Group group, Values values)
{
    wide highest = splat(-INFINITY);
    for (uint i = values.begin; i < values.end; i += WIDE) {
        highest = max(load_run(values, i), highest);
    }
    return group_max(group, largest(highest));
}

// The sum of exp(logit - best) over all logits that are numbers.
METAL_FUNC float total_probability(Group group, Logits logits, float best)
{
    wide total = splat(0.0f);
    for (uint i = WIDE * group.thread_index; i < logits.count; i += WIDE * group.threads) {
        const wide x = max(load_next(logits.at + i, logits.count - i, -INFINITY), splat(-INFINITY));
        total = total + exp(x - splat(best));
    }
    return group_sum(group, sum(total));
}

// Writes those logits of the calling thread's blocks that are at least `least`, and their places, to place `to` on, and
// returns how many there are; only counts them where `write` is false.
METAL_FUNC uint gather(Logits logits, float least, bool write, uint to, device float* out_logits, device uint* out_ids)
{
    uint found = 0;
    for (uint block = logits.maxima.begin; block < logits.maxima.end; ++block) {
        if (logits.maxima.at[block] < least) {
            continue;
        }
        const uint end = min(logits.count, (block + 1) * logits.block_size);
        for (uint first = block * logits.block_size; first < end; first += WIDE) {
            const wide sixteen = load_next(logits.at + first, end - first, -INFINITY);
            for (uint i = 0; i < WIDE; ++i) {
                const float logit = element(sixteen, i);
                if (logit >= least) {
                    if (write) {
                        out_logits[to + found] = logit;
                        out_ids[to + found] = first + i;
                    }
                    ++found;
                }
            }
        }
    }
    return found;
}

// -------------------------------------------------------------------------------------------------------- the kernels

// maxima[block] = the largest of the logits of a block that are numbers; minus infinity where there is none. One thread for each block.
kernel void sample_maxima_f32(
    device const float* logits [[buffer(0)]],
    device float*       maxima [[buffer(1)]],
    constant Params&    params [[buffer(2)]],
    uint block [[thread_position_in_grid]])
{
    const uint end = min(params.count, (block + 1) * params.block_size);
    wide highest = splat(-INFINITY);
    for (uint i = block * params.block_size; i < end; i += WIDE) {
        highest = max(load_next(logits + i, end - i, -INFINITY), highest);
    }
    maxima[block] = largest(highest);
}

// out[0] = the token drawn from softmax(logits / temperature) among those that the filters keep, with the random number
// that belongs to (seed, position): the same on every device, up to rounding. NaN and minus infinity are never drawn;
// where nothing else is left, or where plus infinity leaves no probabilities, the result is `count`, which is no token.
//
// logits is [count], maxima is [blocks], made by `sample_maxima`. The rest is scratch: candidate_logits and candidate_ids of [count].
// One thread (ONE_THREAD) or one threadgroup.
kernel void sample_f32(
    device const float* logits           [[buffer(0)]],
    device uint*        out              [[buffer(1)]],
    device float*       candidate_logits [[buffer(2)]],
    device uint*        candidate_ids    [[buffer(3)]],
    device float*       maxima           [[buffer(4)]],
    constant Params&    params           [[buffer(5)]],
    uint thread_index [[thread_index_in_threadgroup]],
    uint threads      [[threads_per_threadgroup]],
    uint lane         [[thread_index_in_simdgroup]],
    uint simd_group   [[simdgroup_index_in_threadgroup]],
    uint simd_groups  [[simdgroups_per_threadgroup]])
{
    threadgroup uint scratch[MAX_SIMD_GROUPS];
    const Group group =
        ONE_THREAD ? lone_thread() : Group{thread_index, threads, lane, simd_group, simd_groups, scratch};

    const uint count = params.count;
    const uint blocks = (count + params.block_size - 1) / params.block_size;
    const Logits all = {logits, count, params.block_size, run_of(group, maxima, blocks)};
    const float best = find_largest(group, all.maxima);

    // The lowest logit that a candidate may have. The k best are not below the k-th highest maximum. Without top-k, min-p
    // gives a bound; so does top-p, because tokens below the average of what it drops cannot be needed.
    const bool filter_k = params.top_k != 0 && params.top_k < count;
    const bool filter_p = params.top_p < 1.0f;
    const float min_p_logit = params.min_p > 0.0f ? best + precise::log(params.min_p) : -INFINITY;
    float least = -MAXFLOAT;
    float total = 0.0f;
    if (filter_k) {
        if (params.top_k <= blocks) {
            least = max(least, from_key(threshold(group, Count(), all.maxima, float(params.top_k))));
        }
    } else {
        least = max(least, min_p_logit);
        if (filter_p) {
            total = total_probability(group, all, best);
            least = max(least, best + precise::log(0.5f * (1.0f - params.top_p) * total / float(count)));
        }
    }

    // Collect the candidates in the order of their ids. The barrier lets every thread see what the others wrote.
    const uint own = gather(all, least, false, 0, candidate_logits, candidate_ids);
    const uint to = group_sum_before(group, own);
    gather(all, least, true, to, candidate_logits, candidate_ids);
    const uint found = group_sum(group, own);
    group_barrier(group);

    const Values candidates = run_of(group, candidate_logits, found);
    if (filter_k && params.top_k < found) {
        keep_top_k(group, candidates, float(params.top_k));
    }
    if (filter_p) {
        if (filter_k) {
            total = weight_from(group, Probability{best}, candidates, -INFINITY);
        }
        keep_top_p(group, candidates, best, max(params.top_p * total, FLT_MIN));  // at least the best one
    }
    drop_below(candidates, min_p_logit);

    const float share = params.temperature > 0.0f ? random_share(params.seed, params.position) : 0.0f;
    const uint chosen = draw(group, Tempered{best, params.temperature}, candidates, share);
    if (group.thread_index == 0) {
        out[0] = chosen == UINT_MAX ? count : candidate_ids[chosen];
    }
}
