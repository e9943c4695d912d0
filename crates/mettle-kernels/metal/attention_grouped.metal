// Causal attention on GPUs, where the query heads of a key-value head share what is read of the cache.
//
// A SIMD group computes HEADS query heads of one token. It reads rows of the cache sixteen bytes a lane, so that a few
// neighbouring lanes read a row together, and keeps KEYS rows of keys and of values on their way for each of them. The
// softmax is computed online (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018).
//
// Few tokens: the keys of a token are split over threadgroups, whose results meet in a second launch, and over the SIMD
// groups of each. A second launch and not the last threadgroup to finish, since Metal before 3.2 does not order memory
// between threadgroups. Many tokens: each SIMD group has a token of its own and goes through all keys; those of a
// threadgroup go through the same ones at about the same time, so that caches serve all but the first.

#include <metal_stdlib>

using namespace metal;

// Values of a head: whole vectors of sixteen bytes, at least eight, at most MAX_HEAD_SIZE values.
constant uint HEAD_SIZE [[function_constant(0)]];

// Query heads of a SIMD group: 1, 2 or 4.
constant uint HEADS [[function_constant(1)]];

#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 64, HEADS = 1)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 64, HEADS = 2)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 64, HEADS = 4)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 80, HEADS = 1)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 80, HEADS = 2)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 80, HEADS = 4)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 96, HEADS = 1)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 96, HEADS = 2)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 96, HEADS = 4)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 128, HEADS = 1)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 128, HEADS = 2)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 128, HEADS = 4)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 256, HEADS = 1)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 256, HEADS = 2)
#pragma mettle variant(gpu: attention_grouped_*, HEAD_SIZE = 256, HEADS = 4)

constant constexpr uint MAX_HEAD_SIZE = 256;
constant constexpr uint MAX_HEADS = 4;
constant constexpr uint MAX_SIMD_GROUPS = 4;
constant constexpr uint LANES = 32;

// Rows of keys, and as many of values, that a lane has on their way at a time.
constant constexpr uint KEYS = 4;

// Floats that meet in threadgroup memory, at most: f16 heads of 128, four of them, of the two rows of lanes of four SIMD
// groups; or f32 heads of 256.
constant constexpr uint SCRATCH = 4096;

// Keys of a split, at least: a launch of few keys is not worth many threadgroups.
constant constexpr uint MIN_SHARE = 128;

// Splits have multiples of so many keys, so that the SIMD groups of a threadgroup have equal shares, nearly.
constant constexpr uint SHARE_STEP = 8;

// Floats before the values of a partial result: its highest score, the sum of its weights, and two that align the rest.
constant constexpr uint PARTIAL_HEADER = 4;

struct Params {
    uint heads;       // of the queries
    uint kv_heads;    // divides heads: query head h reads key and value head h / (heads / kv_heads)
    uint capacity;    // rows of the caches
    uint window;      // keys that a query sees, its own included; 0: all
    uint tokens;
    uint splits;      // of the keys of a token, at most
    uint token_each;  // whether each SIMD group has a token of its own; there is one split then
    float scale;      // of the scores, usually 1 / sqrt(HEAD_SIZE)
};

// Rows first..end of the cache.
struct Keys {
    uint first;
    uint end;
};

static Keys visible(uint position, uint window)
{
    const uint end = position + 1;
    return Keys{window != 0 && end > window ? end - window : 0, end};
}

// Keys of each split but the last, which has the rest; splits behind it have none.
static uint share_of(Keys keys, uint splits)
{
    const uint even = (keys.end - keys.first + splits - 1) / splits;
    return max((even + SHARE_STEP - 1) / SHARE_STEP * SHARE_STEP, MIN_SHARE);
}

// The place of a partial result.
static ulong partial_at(constant Params& params, uint token, uint head, uint split)
{
    return ((ulong(token) * params.heads + head) * params.splits + split) * (HEAD_SIZE + PARTIAL_HEADER);
}

METAL_FUNC float4 load_four(device const float* p) { return *reinterpret_cast<device const float4*>(p); }

METAL_FUNC void store_four(device float* p, float4 x) { *reinterpret_cast<device float4*>(p) = x; }

// Sixteen bytes of a row of the cache and the values in them.
template <typename T>
struct Vector;

template <>
struct Vector<float> {
    static constant constexpr uint values = 4;
    uint4 bits;
    METAL_FUNC float value(uint i) const { return as_type<float>(bits[i]); }
};

template <>
struct Vector<half> {
    static constant constexpr uint values = 8;
    uint4 bits;
    METAL_FUNC float value(uint i) const { return float(as_type<half2>(bits[i / 2])[i % 2]); }
};

template <typename T>
METAL_FUNC Vector<T> load_vector(device const T* p)
{
    return Vector<T>{*reinterpret_cast<device const uint4*>(p)};
}

// How a SIMD group reads rows of the cache: `row` neighbouring lanes read one together, each `vectors` vectors of it.
struct Spread {
    uint row;
    uint vectors;
};

template <typename T>
static Spread spread()
{
    const uint n = HEAD_SIZE / Vector<T>::values;
    return Spread{n > 16 ? 32u : n > 8 ? 16u : 8u, (n + LANES - 1) / LANES};
}

// Vectors of a lane, at most: of f32 heads of 256. And the values in them, of any format.
constant constexpr uint MAX_VECTORS = 2;
constant constexpr uint MAX_VALUES = 8;

// What a SIMD group knows so far. A lane has sums over the keys that its row of lanes reads, of the columns that it
// reads, for each head; and of the softmax what belongs to one head, the same for a part of each row of lanes.
struct State {
    float sums[MAX_HEADS * MAX_VALUES];
    float highest;  // of the scores
    float total;    // of the weights that the lane has computed
};

// The head whose softmax a lane has: the lanes of a row are shared out among the heads in order.
static uint head_of_lane(uint row, uint lane) { return lane % row / (row / HEADS); }

// The largest x of the lanes that have the same head.
METAL_FUNC float max_of_head(float x, uint row)
{
#pragma unroll
    for (uint offset = 1; offset < LANES; offset *= 2) {
        if (offset < row / HEADS || offset >= row) {
            x = max(x, simd_shuffle_xor(x, ushort(offset)));
        }
    }
    return x;
}

// The sum of x over the lanes that have the same head.
METAL_FUNC float sum_of_head(float x, uint row)
{
#pragma unroll
    for (uint offset = 1; offset < LANES; offset *= 2) {
        if (offset < row / HEADS || offset >= row) {
            x += simd_shuffle_xor(x, ushort(offset));
        }
    }
    return x;
}

// Lanes whose numbers differ by `offset` exchange: the lower gets the sum of both `low`, the upper that of both `high`.
template <typename V>
METAL_FUNC V exchange(V low, V high, uint offset, uint lane)
{
    const bool upper = (lane & offset) != 0;
    const V kept = upper ? high : low;
    const V given = upper ? low : high;
    return kept + simd_shuffle_xor(given, ushort(offset));
}

// Adds up each of x[h][j], for key j of head h, over each row of lanes. Instead of all sums every lane gets its share, in
// the order of the lanes: lanes exchange halves of what they have, then quarters, until one sum is left, of which the lanes
// that are too many have copies. Only rows of eight lanes have two left, for four heads.
METAL_FUNC float2 sum_rows(thread const float4* x, uint row, uint lane)
{
    uint offset = row / 2;
    float4 keys = x[0];
    if (HEADS == 4) {
        const float4 first = exchange(x[0], x[2], offset, lane);
        const float4 second = exchange(x[1], x[3], offset, lane);
        offset /= 2;
        keys = exchange(first, second, offset, lane);
        offset /= 2;
    } else if (HEADS == 2) {
        keys = exchange(x[0], x[1], offset, lane);
        offset /= 2;
    }
    const float2 two = exchange(keys.xy, keys.zw, offset, lane);
    offset /= 2;
    if (offset == 0) {
        return two;
    }
    float sum = exchange(two.x, two.y, offset, lane);
#pragma unroll
    for (uint copies = 1; copies < 8; copies *= 2) {
        if (copies < offset) {
            sum += simd_shuffle_xor(sum, ushort(copies));
        }
    }
    return float2(sum, 0.0f);
}

// What a lane reads of each row: the columns that its vectors begin at, and those of the queries for them. Lanes without any
// read the first ones; their queries are zero, and nobody asks for their sums.
struct Columns {
    uint first[MAX_VECTORS];
    float queries[MAX_HEADS * MAX_VALUES];
};

// q is the first head of the token, `last_head` the last that there is behind it: those beyond it are as it is.
template <typename T>
METAL_FUNC Columns load_queries(device const float* q, uint last_head, uint lane)
{
    constexpr uint values = Vector<T>::values;
    const Spread lanes = spread<T>();
    Columns columns;
#pragma unroll
    for (uint i = 0; i < lanes.vectors; ++i) {
        const uint column = (lane % lanes.row + i * lanes.row) * values;
        const bool there = column < HEAD_SIZE;
        columns.first[i] = there ? column : 0;
#pragma unroll
        for (uint h = 0; h < HEADS; ++h) {
            device const float* from = q + min(h, last_head) * HEAD_SIZE + columns.first[i];
#pragma unroll
            for (uint e = 0; e < values; e += 4) {
                const float4 four = load_four(from + e);
#pragma unroll
                for (uint f = 0; f < 4; ++f) {
                    columns.queries[h * MAX_VALUES + i * values + e + f] = there ? four[f] : 0.0f;
                }
            }
        }
    }
    return columns;
}

// Attends to the keys begin, begin + 1, ... of those before `end` in steps: as many as the SIMD group reads at a time, then
// again `step` further. k and v are the first rows of the key-value head, `stride` values apart. `weights` is the SIMD
// group's own: KEYS for each row and head.
template <typename T>
METAL_FUNC State attend(
    thread const Columns& columns, device const T* k, device const T* v, ulong stride, float scale, uint begin, uint end,
    uint step, uint lane, threadgroup float4* weights)
{
    constexpr uint values = Vector<T>::values;
    const Spread lanes = spread<T>();
    const uint row = lanes.row;
    const uint rows = LANES / row;
    const uint row_index = lane / row;
    // Scores of a lane, or lanes that have the same.
    const uint scores_of_lane = max(KEYS * HEADS / row, 1u);
    const uint copies = max(row / (KEYS * HEADS), 1u);
    const uint first_score = lane % row / copies * scores_of_lane;

    State state = {};
    state.highest = -INFINITY;
    for (uint start = begin; start < end; start += step) {
        // Keys beyond the last are the last again, without weight.
        Vector<T> keys[KEYS * MAX_VECTORS];
        Vector<T> key_values[KEYS * MAX_VECTORS];
#pragma unroll
        for (uint j = 0; j < KEYS; ++j) {
            const ulong at = ulong(min(start + j * rows + row_index, end - 1)) * stride;
#pragma unroll
            for (uint i = 0; i < lanes.vectors; ++i) {
                keys[j * MAX_VECTORS + i] = load_vector(k + at + columns.first[i]);
                key_values[j * MAX_VECTORS + i] = load_vector(v + at + columns.first[i]);
            }
        }

        float4 products[MAX_HEADS] = {};
#pragma unroll
        for (uint j = 0; j < KEYS; ++j) {
#pragma unroll
            for (uint i = 0; i < lanes.vectors; ++i) {
#pragma unroll
                for (uint e = 0; e < values; ++e) {
                    const float value = keys[j * MAX_VECTORS + i].value(e);
#pragma unroll
                    for (uint h = 0; h < HEADS; ++h) {
                        products[h][j] = fma(columns.queries[h * MAX_VALUES + i * values + e], value, products[h][j]);
                    }
                }
            }
        }
        float2 scores = sum_rows(products, row, lane);

        float highest = -INFINITY;
#pragma unroll
        for (uint i = 0; i < scores_of_lane; ++i) {
            const uint key = start + (first_score + i) % KEYS * rows + row_index;
            scores[i] = key < end ? scale * scores[i] : -INFINITY;
            highest = max(highest, scores[i]);
        }
        highest = max(state.highest, max_of_head(highest, row));
        if (simd_any(highest > state.highest)) {
            const float correction = precise::exp(state.highest - highest);
            state.highest = highest;
            state.total *= correction;
#pragma unroll
            for (uint h = 0; h < HEADS; ++h) {
                const float of_head = simd_shuffle(correction, ushort(h * (row / HEADS)));
#pragma unroll
                for (uint i = 0; i < lanes.vectors * values; ++i) {
                    state.sums[h * MAX_VALUES + i] *= of_head;
                }
            }
        }
        threadgroup float* own = reinterpret_cast<threadgroup float*>(weights) + row_index * HEADS * KEYS + first_score;
#pragma unroll
        for (uint i = 0; i < scores_of_lane; ++i) {
            const float weight = precise::exp(scores[i] - state.highest);
            state.total += weight;
            own[i] = weight;
        }
        simdgroup_barrier(mem_flags::mem_threadgroup);

#pragma unroll
        for (uint h = 0; h < HEADS; ++h) {
            const float4 of_keys = weights[row_index * HEADS + h];
#pragma unroll
            for (uint j = 0; j < KEYS; ++j) {
#pragma unroll
                for (uint i = 0; i < lanes.vectors; ++i) {
#pragma unroll
                    for (uint e = 0; e < values; ++e) {
                        const uint to = h * MAX_VALUES + i * values + e;
                        state.sums[to] = fma(of_keys[j], key_values[j * MAX_VECTORS + i].value(e), state.sums[to]);
                    }
                }
            }
        }
        simdgroup_barrier(mem_flags::mem_threadgroup);
    }

    state.total = sum_of_head(state.total, row) / float(copies);
    return state;
}

// Writes the sums of a lane to those of its row of lanes, [HEADS, HEAD_SIZE].
template <typename T>
METAL_FUNC void write_sums(threadgroup float* to, thread const State& state, uint lane)
{
    constexpr uint values = Vector<T>::values;
    const Spread lanes = spread<T>();
#pragma unroll
    for (uint i = 0; i < lanes.vectors; ++i) {
        const uint column = (lane % lanes.row + i * lanes.row) * values;
        if (column < HEAD_SIZE) {
#pragma unroll
            for (uint h = 0; h < HEADS; ++h) {
#pragma unroll
                for (uint e = 0; e < values; e += 4) {
                    thread const float* from = state.sums + h * MAX_VALUES + i * values + e;
                    *reinterpret_cast<threadgroup float4*>(to + h * HEAD_SIZE + column + e) =
                        float4(from[0], from[1], from[2], from[3]);
                }
            }
        }
    }
}

// out[t, h, :] = sum over visible keys j of softmax_j(scale * q[t, h, :] . k[j, h', :]) * v[j, h', :] with
// h' = h / (heads / kv_heads). Key j is visible to token t when 0 <= positions[t] - j, and positions[t] - j < window
// unless the window is 0. q and out are [tokens, heads, HEAD_SIZE], k and v are [capacity, kv_heads, HEAD_SIZE], all
// aligned to sixteen bytes. A token whose position lies outside the cache gets NaN.
//
// With one split `out` is written; with more it is attention_grouped_merge that writes it, and the result for each split
// goes to partial, [tokens, heads, splits, PARTIAL_HEADER + HEAD_SIZE]: the highest score, the sum of the weights
// relative to it, two zeros, and the sums of weights times values. Splits without keys are not
// written.
//
// The grid is [kv_heads * ceil(heads / kv_heads / HEADS), tokens, splits] threadgroups of 1 to MAX_SIMD_GROUPS SIMD groups;
// with token_each a threadgroup takes as many tokens as it has SIMD groups.
template <typename T>
kernel void attention_grouped(
    device const float* q         [[buffer(0)]],
    device const T*     k         [[buffer(1)]],
    device const T*     v         [[buffer(2)]],
    device const int*   positions [[buffer(3)]],
    device float*       partial   [[buffer(4)]],
    device float*       out       [[buffer(5)]],
    constant Params&    params    [[buffer(6)]],
    uint3 group_position [[threadgroup_position_in_grid]],
    uint  index          [[thread_index_in_threadgroup]],
    uint  lane           [[thread_index_in_simdgroup]],
    uint  simd_group     [[simdgroup_index_in_threadgroup]],
    uint  simd_groups    [[simdgroups_per_threadgroup]])
{
    threadgroup float4 weights[MAX_SIMD_GROUPS * MAX_HEADS * 4];
    threadgroup float4 scratch[SCRATCH / 4];
    threadgroup float highest_of[MAX_SIMD_GROUPS * MAX_HEADS];
    threadgroup float total_of[MAX_SIMD_GROUPS * MAX_HEADS];

    const uint heads_of_key = params.heads / params.kv_heads;
    const uint blocks = (heads_of_key + HEADS - 1) / HEADS;
    const uint kv_head = group_position.x / blocks;
    const uint first_of_key = group_position.x % blocks * HEADS;
    const uint head = kv_head * heads_of_key + first_of_key;
    // Of the heads from there on: heads beyond it are computed as it is, and not written.
    const uint last_head = min(heads_of_key - first_of_key, HEADS) - 1;
    const bool token_each = params.token_each != 0;
    const uint token = token_each ? group_position.y * simd_groups + simd_group : group_position.y;
    if (token >= params.tokens) {
        // Then token_each, where no threads wait for those of other SIMD groups.
        return;
    }
    const uint split = group_position.z;
    const ulong at = (ulong(token) * params.heads + head) * HEAD_SIZE;
    q += at;
    out += at;

    const int position = positions[token];
    const Columns columns = load_queries<T>(q, last_head, lane);
    if (position < 0 || uint(position) >= params.capacity) {
        // With more splits the merge does this.
        if (params.splits == 1) {
            for (uint i = lane; i < (last_head + 1) * HEAD_SIZE; i += LANES) {
                out[i] = NAN;
            }
        }
        return;
    }
    Keys keys = visible(uint(position), params.window);
    if (params.splits > 1) {
        const uint share = share_of(keys, params.splits);
        const uint before = split * share;
        if (before >= keys.end - keys.first) {
            return;
        }
        keys.first += before;
        keys.end = min(keys.first + share, keys.end);
    }
    const ulong stride = ulong(params.kv_heads) * HEAD_SIZE;
    k += kv_head * HEAD_SIZE;
    v += kv_head * HEAD_SIZE;
    const uint row = spread<T>().row;
    const uint rows = LANES / row;
    const uint keys_at_a_time = KEYS * rows;
    const uint begin = keys.first + (token_each ? 0 : simd_group * keys_at_a_time);
    const uint step = keys_at_a_time * (token_each ? 1 : simd_groups);
    const State state = attend(
        columns, k, v, stride, params.scale, begin, keys.end, step, lane, weights + simd_group * MAX_HEADS * 4);

    // The SIMD groups of a token meet, and the rows of lanes of each: the sums of a SIMD group count as much as its highest
    // score does against the highest of all.
    threadgroup float* sums = reinterpret_cast<threadgroup float*>(scratch);
    write_sums<T>(sums + (simd_group * rows + lane / row) * HEADS * HEAD_SIZE, state, lane);
    if (lane < row) {
        highest_of[simd_group * HEADS + head_of_lane(row, lane)] = state.highest;
        total_of[simd_group * HEADS + head_of_lane(row, lane)] = state.total;
    }
    if (token_each) {
        simdgroup_barrier(mem_flags::mem_threadgroup);
    } else {
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    const uint first_group = token_each ? simd_group : 0;
    const uint end_group = token_each ? simd_group + 1 : simd_groups;
    const uint threads = token_each ? LANES : simd_groups * LANES;
    for (uint i = 4 * (token_each ? lane : index); i < (last_head + 1) * HEAD_SIZE; i += 4 * threads) {
        const uint h = i / HEAD_SIZE;
        float highest = -INFINITY;
        for (uint s = first_group; s < end_group; ++s) {
            highest = max(highest, highest_of[s * HEADS + h]);
        }
        float4 sum = float4(0.0f);
        float total = 0.0f;
        for (uint s = first_group; s < end_group; ++s) {
            float4 of_group = float4(0.0f);
            for (uint r = 0; r < rows; ++r) {
                of_group += *reinterpret_cast<threadgroup float4*>(sums + (s * rows + r) * HEADS * HEAD_SIZE + i);
            }
            const float factor = precise::exp(highest_of[s * HEADS + h] - highest);
            sum += factor * of_group;
            total += factor * total_of[s * HEADS + h];
        }
        if (params.splits == 1) {
            store_four(out + i, sum / total);
        } else {
            device float* to = partial + partial_at(params, token, head + h, split);
            const uint column = i % HEAD_SIZE;
            store_four(to + PARTIAL_HEADER + column, sum);
            if (column == 0) {
                store_four(to, float4(highest, total, 0.0f, 0.0f));
            }
        }
    }
}

template [[host_name("attention_grouped_f32")]] kernel decltype(attention_grouped<float>) attention_grouped<float>;
template [[host_name("attention_grouped_f16")]] kernel decltype(attention_grouped<half>) attention_grouped<half>;

// Threads of a threadgroup of the second launch, at most, and bytes of their sums.
constant constexpr uint MAX_MERGE_THREADS = 256;

// The second launch: out[t, h, :] from what attention_grouped_* wrote to partial, with the same parameters.
//
// A threadgroup of whole SIMD groups, with a thread for every four values of a head at least, for each head and token: the
// grid is [heads, tokens]. With more threads, splits are shared out among them.
kernel void attention_grouped_merge(
    device const float* partial   [[buffer(0)]],
    device const int*   positions [[buffer(1)]],
    device float*       out       [[buffer(2)]],
    constant Params&    params    [[buffer(3)]],
    uint2 group_position [[threadgroup_position_in_grid]],
    uint  index          [[thread_index_in_threadgroup]],
    uint  lane           [[thread_index_in_simdgroup]],
    uint  simd_groups    [[simdgroups_per_threadgroup]])
{
    threadgroup float4 sums[MAX_MERGE_THREADS];
    threadgroup float totals[MAX_MERGE_THREADS];

    const uint head = group_position.x;
    const uint token = group_position.y;
    out += (ulong(token) * params.heads + head) * HEAD_SIZE;
    const uint columns = HEAD_SIZE / 4;
    const uint rows = simd_groups * LANES / columns;
    const uint row = index / columns;
    const uint column = index % columns * 4;

    const int position = positions[token];
    if (position < 0 || uint(position) >= params.capacity) {
        if (row == 0) {
            store_four(out + column, float4(NAN));
        }
        return;
    }
    const Keys keys = visible(uint(position), params.window);
    const uint share = share_of(keys, params.splits);
    const uint splits = (keys.end - keys.first + share - 1) / share;
    device const float* first = partial + partial_at(params, token, head, 0);
    const uint stride = HEAD_SIZE + PARTIAL_HEADER;

    float highest = -INFINITY;
    for (uint s = lane; s < splits; s += LANES) {
        highest = max(highest, first[s * stride]);
    }
    highest = simd_max(highest);

    float4 sum = float4(0.0f);
    float total = 0.0f;
    if (row < rows) {
#pragma unroll(8)
        for (uint s = row; s < splits; s += rows) {
            const float4 header = load_four(first + s * stride);
            const float weight = precise::exp(header.x - highest);
            sum += weight * load_four(first + s * stride + PARTIAL_HEADER + column);
            total += weight * header.y;
        }
    }
    sums[index] = sum;
    totals[index] = total;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (row == 0) {
        for (uint r = 1; r < rows; ++r) {
            sum += sums[index + r * columns];
            total += totals[index + r * columns];
        }
        store_four(out + column, sum / total);
    }
}
