// expected-error: foal::targets is not the last of its inputs, and a source gives those before it
// Targets between the inputs of a source.
#include <foal/layer/linear.hpp>
#include <foal/model/stages.hpp>

struct next;
struct length;
struct net
    : foal::stages<
          foal::inputs<foal::tokens<8, 1>, foal::named<next, foal::targets<8, 1>>, foal::named<length, foal::lengths>>,
          foal::linear<8>> {};

int main() {}
