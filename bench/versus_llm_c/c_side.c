// The C trainer's side: llm.c's train_gpt2.c as it is, with its own main left out; c_side CHECKPOINT TOKENS
//
// Trains as that main does, batches of 4 windows of 64 tokens, when it is told to (bench/support/turns.py).
#define TESTING
#include "train_gpt2.c"

static double seconds_of(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "cannot start with %d arguments; give a checkpoint and tokens\n", argc - 1);
    return 2;
  }
  GPT2 model;
  gpt2_build_from_checkpoint(&model, argv[1]);
  DataLoader loader;
  dataloader_init(&loader, argv[2], 4, 64, 0, 1, 0);
  int const nothing[4 * 64] = {0};
  gpt2_forward(&model, (int*)nothing, (int*)nothing, 4, 64);  // says what it allocates
  puts("ready");
  fflush(stdout);
  char line[64];
  for (int count = 0, step = 0; fgets(line, sizeof line, stdin) != NULL;) {
    if (sscanf(line, "train %d", &count) != 1) return 2;
    float* losses = malloc(sizeof(float) * count);
    double const passed = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < count; ++i) {
      dataloader_next_batch(&loader);
      gpt2_forward(&model, loader.inputs, loader.targets, 4, 64);
      gpt2_zero_grad(&model);
      gpt2_backward(&model);
      gpt2_update(&model, 1e-4f, 0.9f, 0.999f, 1e-8f, 0.0f, ++step);
      losses[i] = model.mean_loss;
    }
    double const passed_now = seconds_of(CLOCK_MONOTONIC), cpu_now = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    printf("%.9f %.9f", passed_now - passed, cpu_now - cpu);
    for (int i = 0; i < count; ++i) printf(" %.7f", losses[i]);
    puts("");
    fflush(stdout);
    free(losses);
  }
  return 0;
}
