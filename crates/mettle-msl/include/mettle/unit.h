// What stands in front of every rewritten unit.
#pragma once

#ifdef __CUDA__
// Every function is for the GPU.
#pragma clang force_cuda_host_device begin
#endif

#include "entry.h"
#include "stdlib.h"
#ifndef METTLE_PTX
#include "memory.h"
#endif
