#pragma once

// A block of quantised values.
struct Block {
    half  scale;   // step between values
    uchar q[6];
};
