# Every public header, by hand, in the order of the house: a row may include only rows above it.
# The test "tree" names each file that is here and not on disk, or on disk and not here.

set(foal_headers
    foal/core/config.hpp
    foal/core/error.hpp
    foal/core/pause.hpp
    foal/core/random.hpp
    foal/core/role.hpp
    foal/core/type_list.hpp
    foal/core/type_name.hpp

    foal/tensor/plan.hpp
    foal/tensor/shape.hpp
    foal/report/bar_chart.hpp
    foal/report/cell.hpp
    foal/report/chart.hpp
    foal/report/escape.hpp
    foal/report/facts.hpp
    foal/report/file.hpp
    foal/report/html.hpp
    foal/report/json.hpp
    foal/report/metrics.hpp
    foal/report/number.hpp
    foal/report/progress.hpp
    foal/report/rows.hpp
    foal/report/statistics.hpp
    foal/report/svg.hpp
    foal/report/table.hpp
    foal/report/trace.hpp
    foal/report/trace_json.hpp
    foal/report/trace_svg.hpp

    foal/device/contract.hpp
    foal/device/host.hpp
    foal/device/host/convolution.hpp
    foal/device/host/dropout.hpp
    foal/device/host/map.hpp
    foal/device/host/memory.hpp
    foal/device/host/normalisation.hpp
    foal/device/host/pooling.hpp
    foal/device/host/product.hpp
    foal/device/host/rows.hpp
    foal/device/host/softmax.hpp
    foal/device/window.hpp
    foal/schedule/analysis.hpp
    foal/schedule/async_1f1b.hpp
    foal/schedule/channel.hpp
    foal/schedule/clock.hpp
    foal/schedule/generate.hpp
    foal/schedule/gpipe.hpp
    foal/schedule/injected.hpp
    foal/schedule/one_f_one_b.hpp
    foal/schedule/op.hpp
    foal/schedule/pipemare.hpp
    foal/schedule/program.hpp
    foal/schedule/prove.hpp
    foal/schedule/repeat.hpp
    foal/schedule/replay.hpp
    foal/schedule/sequential.hpp
    foal/schedule/svg.hpp
    foal/schedule/text.hpp
    foal/schedule/timeline.hpp
    foal/schedule/unit.hpp
    foal/schedule/unroll.hpp
    foal/schedule/verdict.hpp
    foal/schedule/well_formed.hpp

    foal/transport/local.hpp
    foal/clip/clip.hpp
    foal/data/augment.hpp
    foal/data/batches.hpp
    foal/data/cifar10.hpp
    foal/data/file.hpp
    foal/data/glyphs.hpp
    foal/data/handwritten.hpp
    foal/data/idx.hpp
    foal/data/memory.hpp
    foal/data/npy.hpp
    foal/data/npy_header.hpp
    foal/data/order.hpp
    foal/data/source.hpp
    foal/data/split.hpp
    foal/delay/chain.hpp
    foal/delay/concept.hpp
    foal/delay/discrepancy_correction.hpp
    foal/delay/none.hpp
    foal/layer/avg_pool.hpp
    foal/layer/batch_norm.hpp
    foal/layer/bias.hpp
    foal/layer/contract.hpp
    foal/layer/conv.hpp
    foal/layer/dropout.hpp
    foal/layer/elements.hpp
    foal/layer/flatten.hpp
    foal/layer/gelu.hpp
    foal/layer/group_norm.hpp
    foal/layer/initialise.hpp
    foal/layer/linear.hpp
    foal/layer/loss/cross_entropy.hpp
    foal/layer/loss/mean_squared_error.hpp
    foal/layer/loss/result.hpp
    foal/layer/max_pool.hpp
    foal/layer/relu.hpp
    foal/layer/tanh.hpp
    foal/lr/base.hpp
    foal/lr/concept.hpp
    foal/lr/reschedule.hpp
    foal/optim/adam.hpp
    foal/optim/concept.hpp
    foal/optim/momentum.hpp
    foal/optim/sgd.hpp
    foal/versions/versions.hpp
    foal/warmup/warmup.hpp

    foal/model/description.hpp
    foal/model/elements.hpp
    foal/model/layer_info.hpp
    foal/model/partition.hpp
    foal/model/stages.hpp

    foal/lower/checks.hpp
    foal/lower/describe.hpp
    foal/lower/device.hpp
    foal/lower/functions.hpp
    foal/lower/lower.hpp
    foal/lower/policies.hpp
    foal/lower/run_tables.hpp
    foal/lower/stage.hpp
    foal/lower/table.hpp

    foal/executor/bound_stage.hpp
    foal/executor/drive.hpp
    foal/executor/engine.hpp
    foal/executor/evaluation.hpp
    foal/executor/facts.hpp
    foal/executor/memory.hpp
    foal/executor/ops.hpp
    foal/executor/tables.hpp
    foal/executor/worker.hpp

    foal/trainer.hpp
)

# Headers that need more than Eigen and Threads belong to a component of the same name: foal::ranges, foal::gzip, foal::cuda.
set(foal_ranges_headers foal/data/views.hpp)
set(foal_gzip_headers foal/data/gzip.hpp)
set(foal_cuda_headers)
