// Opt-in umbrella: text (vocabulary, byte-pair encoding, BLEU, search) and data of sequences.
#pragma once

#include <foal/data/lines.hpp>
#include <foal/data/parallel_source.hpp>
#include <foal/data/sequence.hpp>
#include <foal/data/sequence_batches.hpp>
#include <foal/data/sequences_in_order.hpp>
#include <foal/data/spelled_numbers.hpp>
#include <foal/data/text_files.hpp>
#include <foal/data/window_source.hpp>
#include <foal/text/alphabet.hpp>
#include <foal/text/bleu.hpp>
#include <foal/text/bpe.hpp>
#include <foal/text/bpe_learner.hpp>
#include <foal/text/encoding.hpp>
#include <foal/text/entries.hpp>
#include <foal/text/escape.hpp>
#include <foal/text/perplexity.hpp>
#include <foal/text/search.hpp>
#include <foal/text/subwords.hpp>
#include <foal/text/utf8.hpp>
#include <foal/text/vocabulary.hpp>
#include <foal/text/words.hpp>
