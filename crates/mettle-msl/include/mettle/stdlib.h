// The Metal standard library in C++17, for clang 16 and later, without system headers.
//
// The front end includes this file at the top of every unit, after preprocessing and rewriting: address spaces are
// erased, attributes are gone, and only C++ is left. Compile with
//   -std=c++17 -nostdinc -nostdinc++ -ffreestanding -fdeclspec -fsigned-char -fno-exceptions -fno-rtti
//   -fno-math-errno -fno-strict-aliasing -Xclang -ffloat16-excess-precision=none -ffp-contract=fast-honor-pragmas
// Everything Metal declares is in namespace metal (and, where MSL has it built in, in the global one); what is ours is
// in namespace mettle.
#pragma once

#include "abi.h"
#include "array.h"
#include "atomic.h"
#include "bfloat.h"
#include "bytes.h"
#include "collective.h"
#include "copy.h"
#include "fragment.h"
#include "geometric.h"
#include "initializer_list.h"
#include "integer.h"
#include "intrinsics.h"
#include "launches.h"
#include "limits.h"
#include "logging.h"
#include "math.h"
#include "math_modes.h"
#include "math_parts.h"
#include "matrix.h"
#include "names.h"
#include "operations.h"
#include "pack.h"
#include "packed.h"
#include "registers.h"
#include "relational.h"
#include "shuffle.h"
#include "simd.h"
#include "simdgroup_matrix.h"
#include "threadgroup.h"
#include "traits.h"
#include "types.h"
#include "unaligned.h"
#include "uniform.h"
#include "vec.h"
