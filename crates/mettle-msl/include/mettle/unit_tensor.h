// What stands in front of a rewritten unit that includes <metal_tensor>. It needs C++23: a descriptor of a product is a
// template argument of class type, and an element of a tensor is `t[i, j]`.
#pragma once

#include "unit.h"

#include "tensor/extents.h"
#include "tensor/matmul.h"
#include "tensor/reduce.h"
#include "tensor/tensor.h"
