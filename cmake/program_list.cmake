# Every program of foal, by hand. The test "tree" names each file that is here and not on disk, or on disk and not here.

# examples/<name>.cpp, and examples/<name>/*.cpp of one program
set(foal_examples)
set(foal_example_parts)

# tests/<name>_test.cpp; the target is the file's name, with the folder in front where two folders have one
set(foal_tests
    layer/linear
    layer/relu
    report/chart
    report/facts
    report/html
    report/json
    report/number
    report/progress
    report/rows
    report/statistics
    report/table
    report/trace
)

# tests/<name>_test.cu
set(foal_cuda_tests)

# tests/fail/<name>_fail.cpp
set(foal_fail_tests)

# bench/<name>_bench.cpp
set(foal_benchmarks)
