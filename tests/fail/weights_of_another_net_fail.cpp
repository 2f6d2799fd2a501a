// expected-error: cannot take these weights, because the layers of From's net are not those of To's
// Weights of a net with other layers.
#include <foal/layer/relu.hpp>

#include "net.hpp"

struct other : foal::stages<foal::input<8>, foal::linear<8>, foal::relu, foal::linear<4>> {};

void take(run<foal::schedule::gpipe>& to,
          foal::trainer<other, foal::loss::cross_entropy, foal::schedule::gpipe> const& from) {
  to.take(from);
}

int main() {}
