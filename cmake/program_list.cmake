# Every program of foal, by hand. The test "tree" names each file that is here and not on disk, or on disk and not here.

# examples/<name>.cpp, and examples/<name>/*.cpp of one program
set(foal_examples
    compare
    memory
    own_delay_policy
    own_layer
    own_schedule
    parity
    quickstart
)
set(foal_example_parts
    compare/cifar
    compare/digits
    compare/mlp
    compare/mnist
    compare/report
    compare/resnet20
    parity/net3_float32
    parity/net3_float64
    parity/net7_float32
    parity/net7_float64
)

# tests/<name>_test.cpp; the target is the file's name, with the folder in front where two folders have one
set(foal_tests
    clip/clip
    data/augment
    data/batches
    data/cifar10
    data/gzip
    data/handwritten
    data/idx
    data/memory
    data/npy
    data/order
    data/split
    data/views
    delay/chain
    delay/stability
    device/host
    device/host/map
    device/host/product
    executor/drive
    executor/engine
    executor/memory
    executor/worker
    layer/conv
    layer/dropout
    layer/linear
    layer/loss/loss
    layer/norm
    layer/pool
    layer/relu
    lower/policies
    lr/lr
    optim/optim
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
    schedule/analysis
    schedule/channel
    schedule/generate
    schedule/large
    schedule/prove
    schedule/replay
    schedule/text
    trainer
    transport/local
)

# tests/<name>_test.cu
set(foal_cuda_tests
    device/cuda
    device/cuda_training
)

# tests/fail/<name>_fail.cpp
set(foal_fail_tests
    correction_of_a_stash
    delay_policy_without_effect
    empty_model
    live_weights_of_gpipe
    model_without_input
    optimizer_without_prepare
    policy_without_role
    rescheduling_without_effect
    shapes_do_not_chain
    skip_never_added
    skip_never_saved
    skip_shapes_differ
    two_optimizers
    warmup_without_effect
    wrong_member
)

# bench/<name>_bench.cpp
set(foal_benchmarks
    device/update
    executor/dispatch
    executor/pipeline
    transport/hop
    versus_libtorch
)
