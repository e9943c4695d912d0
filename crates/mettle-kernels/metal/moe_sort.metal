// Tokens sorted by expert, so that products with the weights of an expert are made of many rows at a time.

#include <metal_stdlib>
#include <mettle/group.h>

using namespace metal;
using namespace mettle_kernels;

// One thread sorts by counting (CPU) instead of a threadgroup, whose SIMD groups collect the rows of an expert each (GPU).
constant bool ALONE [[function_constant(0)]];

#pragma mettle variant(cpu: moe_sort_u32, ALONE = true)
#pragma mettle variant(gpu: moe_sort_u32, ALONE = false)

// No token, and no expert.
constant constexpr uint NONE = UINT_MAX;

struct Params {
    uint pairs;    // of a token and an expert
    uint slots;    // experts of a token
    uint experts;
    uint step;     // rows of a piece
    uint pieces;   // that there is room for
};

// Pairs that a lane looks at together, so that they are on their way from memory at a time.
constant constexpr uint BATCH = 8;

// Which of a lane's pairs, `first` and every 32nd further, are of an expert, as bits from the lowest on.
METAL_FUNC uint pairs_of(device const uint* ids, uint first, uint expert, constant Params& params)
{
    uint found = 0;
#pragma unroll
    for (uint i = 0; i < BATCH; ++i) {
        const uint pair = first + 32 * i;
        const uint id = pair < params.pairs ? min(ids[pair], params.experts - 1) : NONE;
        found |= id == expert ? 1u << i : 0u;
    }
    return found;
}

// Puts the pairs in the order of their experts, and those of an expert in their own. Each expert has whole pieces of `step` rows, so
// that rows of a piece have one in common; experts without a token have none. ids is [tokens, slots], and one that there is not stands
// for the last one; experts is [pieces], the expert of each piece; tokens is [pieces * step], the token of each row; rows is [tokens, slots],
// the row of each pair. Rows and pieces that are left over are of NONE.
//
// A grid of one thread, or of one threadgroup of whole SIMD groups. `memory` has a value for each expert.
[[kernel, max_total_threads_per_threadgroup(512)]] void moe_sort_u32(
    device const uint* ids     [[buffer(0)]],
    device uint*       experts [[buffer(1)]],
    device uint*       tokens  [[buffer(2)]],
    device uint*       rows    [[buffer(3)]],
    constant Params&   params  [[buffer(4)]],
    threadgroup uint*  memory  [[threadgroup(0)]],
    uint thread_index [[thread_index_in_threadgroup]],
    uint threads      [[threads_per_threadgroup]],
    uint lane         [[thread_index_in_simdgroup]],
    uint simd_group   [[simdgroup_index_in_threadgroup]],
    uint simd_groups  [[simdgroups_per_threadgroup]])
{
    const uint last = params.experts - 1;
    const uint step = params.step;
    if (ALONE) {
        for (uint expert = 0; expert <= last; ++expert) {
            memory[expert] = 0;
        }
        for (uint pair = 0; pair < params.pairs; ++pair) {
            ++memory[min(ids[pair], last)];
        }
        uint piece = 0;
        for (uint expert = 0; expert <= last; ++expert) {
            const uint end = piece + (memory[expert] + step - 1) / step;
            memory[expert] = piece * step;
            for (; piece < end; ++piece) {
                experts[piece] = expert;
            }
        }
        for (; piece < params.pieces; ++piece) {
            experts[piece] = NONE;
        }
        for (uint row = 0; row < params.pieces * step; ++row) {
            tokens[row] = NONE;
        }
        for (uint pair = 0; pair < params.pairs; ++pair) {
            const uint row = memory[min(ids[pair], last)]++;
            rows[pair] = row;
            tokens[row] = pair / params.slots;
        }
        return;
    }

    threadgroup uint scratch[MAX_SIMD_GROUPS];
    const Group group = {thread_index, threads, lane, simd_group, simd_groups, scratch};
    // The pieces of each expert.
    for (uint expert = simd_group; expert <= last; expert += simd_groups) {
        uint count = 0;
        for (uint first = lane; first < params.pairs; first += 32 * BATCH) {
            count += popcount(pairs_of(ids, first, expert, params));
        }
        count = simd_sum(count);
        if (lane == 0) {
            memory[expert] = (count + step - 1) / step;
        }
    }
    group_barrier(group);

    // The first piece of each.
    uint used = 0;
    for (uint first = 0; first <= last; first += threads) {
        const uint expert = first + thread_index;
        const uint pieces = expert <= last ? memory[expert] : 0;
        const uint before = used + group_sum_before(group, pieces);
        used += group_sum(group, pieces);
        if (expert <= last) {
            memory[expert] = before;
        }
    }
    group_barrier(group);

    for (uint expert = simd_group; expert <= last; expert += simd_groups) {
        const uint begin = memory[expert];
        const uint end = expert < last ? memory[expert + 1] : used;
        uint next = begin * step;
        for (uint first = 0; first < params.pairs && begin < end; first += 32 * BATCH) {
            const uint found = pairs_of(ids, first + lane, expert, params);
            for (uint present = simd_or(found); present != 0; present &= present - 1) {
                const uint i = ctz(present);
                const bool has_it = (found >> i & 1u) != 0;
                const uint lanes = uint(ulong(simd_ballot(has_it)));
                if (has_it) {
                    const uint pair = first + 32 * i + lane;
                    const uint row = next + popcount(lanes & ((1u << lane) - 1));
                    rows[pair] = row;
                    tokens[row] = pair / params.slots;
                }
                next += popcount(lanes);
            }
        }
        for (uint row = next + lane; row < end * step; row += 32) {
            tokens[row] = NONE;
        }
        for (uint piece = begin + lane; piece < end; piece += 32) {
            experts[piece] = expert;
        }
    }
    for (uint piece = used + thread_index; piece < params.pieces; piece += threads) {
        experts[piece] = NONE;
    }
    for (uint row = used * step + thread_index; row < params.pieces * step; row += threads) {
        tokens[row] = NONE;
    }
}
