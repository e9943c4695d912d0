// TurboQuant (Zandieh, Daliri, Hadian and Mirrokni, 2025): heads of key-value caches in codes of few bits.
//
// A head that has been through hadamard.metal has about normal values. Its blocks, one of all values or two of 256, are words: the root mean
// square of the values, a float, then codes of TURBO_BITS bits, value i in bits TURBO_BITS * i to TURBO_BITS * (i + 1) - 1 of their
// little-endian bits. A code stands for the root mean square times a level of the codebook for its bits. There are too many of these
// formats for a type each: function constants tell them apart, and to kernels a row is words.
#pragma once

#include <mettle/kv_rows.h>

// Bits of a code: 2, 3, 4, 5, 6 or 8.
constant uint TURBO_BITS [[function_constant(13)]];

// Values of a block: 64, 128 or 256.
constant uint TURBO_VALUES [[function_constant(14)]];

namespace mettle_kernels {

// Encoded sixteen at a time.
template <>
struct format<uint> {
    static constant constexpr uint values = WIDE;
    static constant constexpr bool dense = false;
};

// The levels for 2, 3, 4, 5, 6 and 8 bits, in ascending order: what `formats::turbo_levels` computes, as f32.
constant constexpr float TURBO_LEVELS[380] = {
    -1.5104176f, -0.45278004f, 0.45278004f, 1.5104176f,
    -2.1519456f, -1.3439093f, -0.7560053f, -0.24509418f, 0.24509418f, 0.7560053f, 1.3439093f, 2.1519456f,
    -2.7325895f, -2.0690172f, -1.6180464f, -1.2562312f, -0.94234043f, -0.65675914f, -0.3880483f, -0.12839504f, 0.12839504f, 0.3880483f,
    0.65675914f, 0.94234043f, 1.2562312f, 1.6180464f, 2.0690172f, 2.7325895f,
    -3.2607324f, -2.6911197f, -2.3177395f, -2.0287285f, -1.7872332f, -1.576228f, -1.3863404f, -1.2118044f, -1.0487833f, -0.8945651f,
    -0.7471357f, -0.6049336f, -0.4666995f, -0.3313783f, -0.19805183f, -0.06588966f, 0.06588966f, 0.19805183f, 0.3313783f, 0.4666995f,
    0.6049336f, 0.7471357f, 0.8945651f, 1.0487833f, 1.2118044f, 1.3863404f, 1.576228f, 1.7872332f, 2.0287285f, 2.3177395f, 2.6911197f,
    3.2607324f,
    -3.7441013f, -3.240437f, -2.9174068f, -2.6722739f, -2.471305f, -2.2989812f, -2.1468103f, -2.0096111f, -1.8839773f, -1.7675419f,
    -1.6585889f, -1.5558312f, -1.4582764f, -1.365141f, -1.2757945f, -1.1897202f, -1.1064882f, -1.0257363f, -0.94715494f, -0.8704766f,
    -0.7954677f, -0.7219219f, -0.6496556f, -0.578503f, -0.5083138f, -0.43894967f, -0.37028265f, -0.30219284f, -0.23456699f, -0.1672969f,
    -0.10027829f, -0.033409506f, 0.033409506f, 0.10027829f, 0.1672969f, 0.23456699f, 0.30219284f, 0.37028265f, 0.43894967f, 0.5083138f,
    0.578503f, 0.6496556f, 0.7219219f, 0.7954677f, 0.8704766f, 0.94715494f, 1.0257363f, 1.1064882f, 1.1897202f, 1.2757945f, 1.365141f,
    1.4582764f, 1.5558312f, 1.6585889f, 1.7675419f, 1.8839773f, 2.0096111f, 2.1468103f, 2.2989812f, 2.471305f, 2.6722739f, 2.9174068f,
    3.240437f, 3.7441013f,
    -4.6035357f, -4.1865954f, -3.9256377f, -3.7316663f, -3.575588f, -3.4440718f, -3.3298485f, -3.2285001f, -3.1371326f, -3.053742f,
    -2.9768822f, -2.905473f, -2.8386858f, -2.7758706f, -2.7165077f, -2.660174f, -2.6065214f, -2.5552595f, -2.5061426f, -2.4589622f,
    -2.4135387f, -2.3697171f, -2.3273618f, -2.2863545f, -2.24659f, -2.2079754f, -2.1704283f, -2.1338742f, -2.0982466f, -2.0634851f,
    -2.0295358f, -1.9963485f, -1.9638784f, -1.9320842f, -1.900928f, -1.8703752f, -1.8403933f, -1.8109531f, -1.7820269f, -1.7535894f,
    -1.7256169f, -1.6980875f, -1.6709803f, -1.6442765f, -1.6179578f, -1.5920075f, -1.5664098f, -1.5411496f, -1.5162132f, -1.491587f,
    -1.4672587f, -1.4432166f, -1.4194493f, -1.3959464f, -1.3726976f, -1.3496937f, -1.3269253f, -1.304384f, -1.2820615f, -1.2599499f,
    -1.2380418f, -1.2163299f, -1.1948076f, -1.1734682f, -1.1523054f, -1.1313132f, -1.110486f, -1.0898181f, -1.0693042f, -1.0489392f,
    -1.0287182f, -1.0086365f, -0.98868936f, -0.9688726f, -0.9491818f, -0.92961293f, -0.91016203f, -0.8908253f, -0.8715989f, -0.8524793f,
    -0.833463f, -0.8145467f, -0.795727f, -0.77700084f, -0.75836504f, -0.7398166f, -0.72135264f, -0.70297027f, -0.68466675f, -0.6664394f,
    -0.6482855f, -0.6302026f, -0.6121881f, -0.5942396f, -0.5763547f, -0.55853105f, -0.5407663f, -0.5230583f, -0.5054048f, -0.4878036f,
    -0.47025266f, -0.45274988f, -0.4352932f, -0.41788065f, -0.40051022f, -0.38317996f, -0.365888f, -0.34863243f, -0.3314114f,
    -0.31422305f, -0.2970656f, -0.27993724f, -0.26283622f, -0.24576078f, -0.2287092f, -0.21167976f, -0.19467075f, -0.17768049f,
    -0.16070732f, -0.14374956f, -0.12680559f, -0.10987372f, -0.092952356f, -0.07603986f, -0.059134603f, -0.042234983f, -0.025339384f,
    -0.008446193f, 0.008446193f, 0.025339384f, 0.042234983f, 0.059134603f, 0.07603986f, 0.092952356f, 0.10987372f, 0.12680559f,
    0.14374956f, 0.16070732f, 0.17768049f, 0.19467075f, 0.21167976f, 0.2287092f, 0.24576078f, 0.26283622f, 0.27993724f, 0.2970656f,
    0.31422305f, 0.3314114f, 0.34863243f, 0.365888f, 0.38317996f, 0.40051022f, 0.41788065f, 0.4352932f, 0.45274988f, 0.47025266f,
    0.4878036f, 0.5054048f, 0.5230583f, 0.5407663f, 0.55853105f, 0.5763547f, 0.5942396f, 0.6121881f, 0.6302026f, 0.6482855f, 0.6664394f,
    0.68466675f, 0.70297027f, 0.72135264f, 0.7398166f, 0.75836504f, 0.77700084f, 0.795727f, 0.8145467f, 0.833463f, 0.8524793f, 0.8715989f,
    0.8908253f, 0.91016203f, 0.92961293f, 0.9491818f, 0.9688726f, 0.98868936f, 1.0086365f, 1.0287182f, 1.0489392f, 1.0693042f, 1.0898181f,
    1.110486f, 1.1313132f, 1.1523054f, 1.1734682f, 1.1948076f, 1.2163299f, 1.2380418f, 1.2599499f, 1.2820615f, 1.304384f, 1.3269253f,
    1.3496937f, 1.3726976f, 1.3959464f, 1.4194493f, 1.4432166f, 1.4672587f, 1.491587f, 1.5162132f, 1.5411496f, 1.5664098f, 1.5920075f,
    1.6179578f, 1.6442765f, 1.6709803f, 1.6980875f, 1.7256169f, 1.7535894f, 1.7820269f, 1.8109531f, 1.8403933f, 1.8703752f, 1.900928f,
    1.9320842f, 1.9638784f, 1.9963485f, 2.0295358f, 2.0634851f, 2.0982466f, 2.1338742f, 2.1704283f, 2.2079754f, 2.24659f, 2.2863545f,
    2.3273618f, 2.3697171f, 2.4135387f, 2.4589622f, 2.5061426f, 2.5552595f, 2.6065214f, 2.660174f, 2.7165077f, 2.7758706f, 2.8386858f,
    2.905473f, 2.9768822f, 3.053742f, 3.1371326f, 3.2285001f, 3.3298485f, 3.4440718f, 3.575588f, 3.7316663f, 3.9256377f, 4.1865954f,
    4.6035357f,
};

// Where the levels for TURBO_BITS begin.
METAL_FUNC uint turbo_levels() { return TURBO_BITS == 8 ? 124u : (1u << TURBO_BITS) - 4u; }

// Words of so many values, whole blocks.
template <>
METAL_FUNC uint row_stride<uint>(uint columns)
{
    return columns / TURBO_VALUES + columns / 32 * TURBO_BITS;
}

// Words from the first block of a head to the second, if there is one.
METAL_FUNC uint turbo_words() { return 1 + 8 * TURBO_BITS; }

// What value i of a block is a multiple of.
METAL_FUNC float level_of(device const uint* block, uint i)
{
    const uint bit = i * TURBO_BITS;
    device const uint* codes = block + 1 + bit / 32;
    uint code = codes[0] >> (bit % 32);
    // The rest of a code is in the next word.
    if (bit % 32 + TURBO_BITS > 32) {
        code |= codes[1] << (32 - bit % 32);
    }
    return TURBO_LEVELS[turbo_levels() + (code & ((1u << TURBO_BITS) - 1))];
}

// The same functions as for other rows, in kv_rows.h. Rows are heads here.
METAL_FUNC wide cached_sixteen(device const uint* head, uint first, uint)
{
    device const uint* block = head + first / 256 * turbo_words();
    wide x;
#pragma unroll
    for (uint i = 0; i < WIDE; ++i) {
        set_element(x, i, level_of(block, first % 256 + i));
    }
    return x * splat(as_type<float>(*block));
}

METAL_FUNC float cached_value(device const uint* head, uint i)
{
    device const uint* block = head + i / 256 * turbo_words();
    return as_type<float>(*block) * level_of(block, i % 256);
}

// That of the values of a block, added up in an order that the host keeps, too.
METAL_FUNC float root_mean_square(device const float* values)
{
    wide squares = splat(0.0f);
    for (uint i = 0; i < TURBO_VALUES; i += WIDE) {
        const wide x = load(values + i);
        squares = fma(x, x, squares);
    }
    float sums[WIDE];
    for (uint i = 0; i < WIDE; ++i) {
        sums[i] = element(squares, i);
    }
    for (uint half_of = WIDE / 2; half_of > 0; half_of /= 2) {
        for (uint i = 0; i < half_of; ++i) {
            sums[i] += sums[i + half_of];
        }
    }
    return precise::sqrt(sums[0] / float(TURBO_VALUES));
}

// The code of the level that is nearest to x, between two of the lower.
METAL_FUNC uint nearest_level(float x)
{
    uint code = 0;
    for (uint step = 1u << (TURBO_BITS - 1); step > 0; step /= 2) {
        const uint lower = turbo_levels() + code + step - 1;
        const float middle = 0.5f * (TURBO_LEVELS[lower] + TURBO_LEVELS[lower + 1]);
        code += x > middle ? step : 0;
    }
    return code;
}

// Writes sixteen values of a row of heads. A block with a value that is not finite gets such a root mean square.
METAL_FUNC void put(device uint* row, uint first, device const float* from, uint)
{
    const uint of_block = first % TURBO_VALUES;
    device uint* block = row + row_stride<uint>(first - of_block);
    const float scale = root_mean_square(from - of_block);
    if (of_block == 0) {
        *block = as_type<uint>(scale);
    }
    const float inverse = inverse_or_zero(scale);
    // Sixteen codes are TURBO_BITS pieces of sixteen bits.
    device ushort* to = reinterpret_cast<device ushort*>(block + 1) + of_block / WIDE * TURBO_BITS;
    uint bits = 0;
    uint count = 0;
    for (uint i = 0; i < WIDE; ++i) {
        bits |= nearest_level(from[i] * inverse) << count;
        count += TURBO_BITS;
        if (count >= 16) {
            *to++ = ushort(bits);
            bits >>= 16;
            count -= 16;
        }
    }
}

}  // namespace mettle_kernels
