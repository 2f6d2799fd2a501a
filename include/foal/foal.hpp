// What a program on the host needs to train, evaluate and predict, in one include.
//
// What costs compile time, or a library, and not every program needs stays apart (the test "tree" reads this list: each
// header of foal is included from here or from one of these):
//   foal/transformer.hpp                                 layers of sequences: embedding, attention, layer_norm, position
//   foal/text.hpp                                        vocabularies, byte pairs, search, and data of sequences
//   foal/zoo/{gpt,resnet,transformer}.hpp                models by their sizes
//   foal/checkpoint/{safetensors,values}.hpp             files of weights, and of samples
//   foal/checkpoint.hpp                                  checkpoints of a fit, which goes on from them; signals
//   foal/checkpoint/{directory,run_file}.hpp             which checkpoint is whole, what is in them
//   foal/checkpoint/keep_best.hpp                        a callback that keeps the best weights
//   foal/trainer/early_stopping.hpp                      a callback that ends a fit whose loss no longer falls
//   foal/policy/replica/{averaged,delayed,local,sharded}.hpp    what replicas exchange in place of sums of gradients
//   foal/layer/check_gradient.hpp                        the gradients of a layer of one's own
//   foal/device/{contract,timed}.hpp                     what a device offers; a device that waits instead of computing
//   foal/executor/processes.hpp                          training in several processes, over a transport
//   foal/tcp.hpp                                         the same over sockets, without MPI
//   foal/trainer/gathered.hpp                            the weights of all of them, whole
//   foal/executor/open_ends.hpp                          the channels of a run into another process
//   foal/transport/delayed.hpp                           processes behind links that are slow and lose messages
//   foal/report/{html,chart,bar_chart,directory,trace_json,trace_svg}.hpp   pages and pictures of runs
//   foal/report/{metrics,rows,statistics}.hpp            what runs have written, read and summed up
//   foal/core/writable.hpp                               whether a file can be written, asked before the work
//   foal/schedule/{csv,parse,proof/channel}.hpp          schedules from and to text, by channel
//   foal/schedule/draw/{page,svg,text,timed}.hpp         schedules as text, pictures and pages
//   foal/schedule/cost/{balanced_memory,memory}.hpp      what ranks hold while a schedule runs
//   foal/schedule/cost/{idle,messages,staleness}.hpp     its idle time and why, its messages, how old its weights are
//   foal/schedule/cost/{planner,plan_text,measured_items}.hpp   the schedule and the grouping that take the least time
//   foal/tried.hpp                                       which of the best plans is the fastest here, by running them
//   foal/model/planned.hpp                               the same, chosen by the compiler
//   foal/schedule/cost/overlaps.hpp                      which ops of DualPipe overlap
//   foal/schedule/rules/{bpipe,chimera,hanayo,interleaved}.hpp   more synchronous schedules
//   foal/schedule/rules/{k_f_k_b,looped_bfs,seq1f1b,varuna,vocabulary_1f1b}.hpp   the same
//   foal/schedule/rules/{dual_pipe,dual_pipe_v,interleaved_zb,two_bp}.hpp   schedules that split backwards
//   foal/schedule/rules/{v_half,v_min,v_search,zb_auto,zb_h1,zb_h2,zb_v}.hpp   the same
//   foal/schedule/rules/{amdp,cyclic,lag_bounded,message_driven,paci,wpipe}.hpp   without a flush, and AxoNN's
//   foal/schedule/rules/{listed,refined}.hpp             training by a list that is read; programs of finer stages
//   foal/data/views.hpp (range-v3), foal/data/gzip.hpp (zlib), foal/mpi.hpp, foal/onednn.hpp, foal/cuda.hpp, foal/nccl.hpp
#pragma once

#include <foal/data/augment.hpp>
#include <foal/data/cifar10.hpp>
#include <foal/data/handwritten.hpp>
#include <foal/data/idx.hpp>
#include <foal/data/memory.hpp>
#include <foal/data/npy.hpp>
#include <foal/layer/avg_pool.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/conv.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/gelu.hpp>
#include <foal/layer/gelu_tanh.hpp>
#include <foal/layer/group_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/layer/max_pool.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/model/partition.hpp>
#include <foal/policy/clip.hpp>
#include <foal/policy/delay/adaptive_braking.hpp>
#include <foal/policy/delay/averaged_correction.hpp>
#include <foal/policy/delay/chain.hpp>
#include <foal/policy/delay/dc_asgd.hpp>
#include <foal/policy/delay/delay_threshold.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/delay/gap_aware.hpp>
#include <foal/policy/delay/linear_prediction.hpp>
#include <foal/policy/delay/live_look_ahead.hpp>
#include <foal/policy/delay/none.hpp>
#include <foal/policy/delay/pipe_optim.hpp>
#include <foal/policy/delay/scheduled_prediction.hpp>
#include <foal/policy/delay/spectrain.hpp>
#include <foal/policy/delay/spike_compensation.hpp>
#include <foal/policy/delay/staleness_aware.hpp>
#include <foal/policy/delay/xpipe.hpp>
#include <foal/policy/lr/base.hpp>
#include <foal/policy/lr/plateau.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/lr/staleness_aware.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/adan.hpp>
#include <foal/policy/optim/asynchronous_nesterov.hpp>
#include <foal/policy/optim/averaged.hpp>
#include <foal/policy/optim/basis_rotation.hpp>
#include <foal/policy/optim/delay_matched.hpp>
#include <foal/policy/optim/ema_nesterov.hpp>
#include <foal/policy/optim/grouped.hpp>
#include <foal/policy/optim/lamb.hpp>
#include <foal/policy/optim/lion.hpp>
#include <foal/policy/optim/matrices_apart.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/muon.hpp>
#include <foal/policy/optim/nadam.hpp>
#include <foal/policy/optim/sgd.hpp>
#include <foal/policy/optim/slowed_by_delay.hpp>
#include <foal/policy/optim/soap.hpp>
#include <foal/policy/versions.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/offloaded.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>
