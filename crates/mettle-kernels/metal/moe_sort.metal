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

// Pairs of a lane that are on their way from memory at a time.
constant constexpr uint BATCH = 8;

// The experts of some of a lane's pairs, `first` and every 32nd further before `end`; NONE for those that there are not.
struct Batch {
    uint expert[BATCH];
};

METAL_FUNC Batch load_batch(device const uint* ids, uint first, uint end, uint last_expert)
{
    Batch batch;
#pragma unroll
    for (uint i = 0; i < BATCH; ++i) {
        const uint pair = first + 32 * i;
        batch.expert[i] = pair < end ? min(ids[pair], last_expert) : NONE;
    }
    return batch;
}

METAL_FUNC uint ballot(bool value) { return uint(ulong(simd_ballot(value))); }

// The lanes with the same expert as this one, of those below 2^bits, as bits.
METAL_FUNC uint lanes_of_expert(uint expert, uint bits)
{
    uint lanes = ballot(expert != NONE);
    for (uint bit = 0; bit < bits; ++bit) {
        const bool is_set = (expert >> bit & 1u) != 0;
        const uint set = ballot(is_set);
        lanes &= is_set ? set : ~set;
    }
    return lanes;
}

// Puts the pairs in the order of their experts, and those of an expert in their own. Each expert has whole pieces of `step` rows, so
// that rows of a piece have one in common; experts without a token have none. ids is [tokens, slots], and one that there is not stands
// for the last one; experts is [pieces], the expert of each piece; tokens is [pieces * step], the token of each row; rows is [tokens, slots],
// the row of each pair. Rows and pieces that are left over are of NONE.
//
// A grid of one thread, or of one threadgroup of whole SIMD groups, of which each counts a part of the pairs. `memory` has a value for each
// expert, and of each SIMD group.
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
    const uint of_group = (params.pairs + 32 * simd_groups - 1) / (32 * simd_groups) * 32;
    const uint begin = min(simd_group * of_group, params.pairs);
    const uint end = min(begin + of_group, params.pairs);
    threadgroup uint* own = memory + simd_group * params.experts;
    for (uint expert = lane; expert <= last; expert += 32) {
        own[expert] = 0;
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
    // How many pairs of a SIMD group each expert has, and for each pair how many of them come before it.
    const uint bits = 32 - clz(last);
    for (uint first = begin + lane; first - lane < end; first += 32 * BATCH) {
        const Batch batch = load_batch(ids, first, end, last);
#pragma unroll
        for (uint i = 0; i < BATCH; ++i) {
            const uint expert = batch.expert[i];
            const uint lanes = lanes_of_expert(expert, bits);
            const uint before = popcount(lanes & ((1u << lane) - 1));
            const uint counted = expert != NONE ? own[expert] : 0;
            simdgroup_barrier(mem_flags::mem_threadgroup);
            if (expert != NONE) {
                rows[first + 32 * i] = counted + before;
                if (before == 0) {
                    own[expert] = counted + popcount(lanes);
                }
            }
            simdgroup_barrier(mem_flags::mem_threadgroup);
        }
    }
    group_barrier(group);

    // The first row of each expert's pairs of each SIMD group.
    uint used = 0;
    for (uint first = 0; first <= last; first += threads) {
        const uint expert = first + thread_index;
        uint count = 0;
        for (uint i = 0; i < simd_groups && expert <= last; ++i) {
            count += memory[i * params.experts + expert];
        }
        const uint pieces = (count + step - 1) / step;
        const uint piece = used + group_sum_before(group, pieces);
        used += group_sum(group, pieces);
        uint row = piece * step;
        for (uint i = 0; i < simd_groups && expert <= last; ++i) {
            const uint of_simd_group = memory[i * params.experts + expert];
            memory[i * params.experts + expert] = row;
            row += of_simd_group;
        }
        for (; row < (piece + pieces) * step; ++row) {
            tokens[row] = NONE;
        }
        for (uint i = 0; i < pieces; ++i) {
            experts[piece + i] = expert;
        }
    }
    group_barrier(group);

    for (uint first = begin + lane; first < end; first += 32 * BATCH) {
        const Batch batch = load_batch(ids, first, end, last);
#pragma unroll
        for (uint i = 0; i < BATCH; ++i) {
            const uint expert = batch.expert[i];
            if (expert != NONE) {
                const uint pair = first + 32 * i;
                const uint row = own[expert] + rows[pair];
                rows[pair] = row;
                tokens[row] = pair / params.slots;
            }
        }
    }
    for (uint piece = used + thread_index; piece < params.pieces; piece += threads) {
        experts[piece] = NONE;
    }
    for (uint row = used * step + thread_index; row < params.pieces * step; row += threads) {
        tokens[row] = NONE;
    }
}
