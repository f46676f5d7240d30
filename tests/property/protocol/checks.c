/* The oracle: everything is computed again from inputs, offsets and committed outputs, without the engine. */
#include <string.h>

#include "base/mutant.h"
#include "tests/property/protocol/world.h"

static void truth_make(struct world *w)
{
	struct seg_error err;

	if (w->truth_of == w->commits)
		return;
	for (int c = 0; c < CUSTOMERS; c++) {
		seg_profile_free(w->truth[c]);
		w->truth[c] = NULL;
	}
	for (int s = 0; s < SEG_SOURCES; s++)
		for (size_t i = 0; i < w->inputs_len[s] && w->inputs[s][i].offset < w->group.next[s]; i++) {
			const struct input *in = &w->inputs[s][i];
			struct seg_profile **p = &w->truth[in->customer];
			enum seg_applied applied;

			if (in->kind != IN_EVENT || in->offset <= w->erased[in->customer].stay_out[s])
				continue;
			if (!*p)
				*p = seg_profile_new(seg_str_from(customer_ids[in->customer]), 0);
			if (!*p || seg_aggregate_apply(*p, world_event(w, (enum seg_source)s, in), in->offset,
						       &world_aggregates, &applied, &err) != SEG_OK)
				violation(w, "the oracle failed: %s", err.text);
		}
	w->truth_of = w->commits;
}

/* What a customer is in by the outputs so far: [0] decided, the others 1 or 0 for each rule segment. */
struct held {
	uint64_t in[1 + RULES];
	struct output last; /* n 0: none */
};

static bool is_out(const struct held *h)
{
	for (int r = 0; r <= RULES; r++)
		if (h->in[r])
			return false;
	return true;
}

static void need_rules(struct world *w, int c, const struct held *h, const struct seg_profile *p, const char *what)
{
	char names[SEG_RULE_NAMES_BYTES];
	size_t len = 0;

	for (int r = 0; r < RULES; r++)
		if (h->in[1 + r]) {
			strcpy(names + len, rule_names[r]);
			len += strlen(rule_names[r]) + 1;
		}
	need(w, p->decision.rules.len == len && memcmp(p->decision.rules.names, names, len) == 0,
	     "%s %s: rule segments differ from those told", what, customer_ids[c]);
}

static void check_decision(struct world *w, int c, const struct seg_profile *p, const char *what)
{
	struct held h = {0};
	uint64_t n;

	for (size_t i = 0; i < w->outputs.len; i++) {
		const struct output *o = &w->outputs.items[i];

		if (o->customer != c)
			continue;
		h.in[o->rule] = o->to;
		h.last = *o;
	}
	n = h.last.n;
	if (!p) {
		need(w, is_out(&h), "%s %s is gone without an end of the chain", what, customer_ids[c]);
		return;
	}
	if (n > 0 &&
	    (h.last.birth_source != p->decision.birth_source || h.last.birth_offset != p->decision.birth_offset)) {
		need(w, is_out(&h), "%s %s: the chain of an earlier life is open", what, customer_ids[c]);
		n = 0;
	}
	need(w, p->decision.cluster == h.in[0] && p->decision.change_number == n,
	     "%s %s: decision %llu (change %llu), outputs say %llu (%llu)", what, customer_ids[c],
	     (unsigned long long)p->decision.cluster, (unsigned long long)p->decision.change_number,
	     (unsigned long long)h.in[0], (unsigned long long)n);
	need_rules(w, c, &h, p, what);
}

static void check_customer(struct world *w, int c, const struct seg_profile *p, const char *what)
{
	const struct seg_profile *truth = w->truth[c];

	need(w, (p != NULL) == (truth != NULL), "%s %s is %s, but should be %s", what, customer_ids[c],
	     p ? "there" : "gone", truth ? "there" : "gone");
	if (p) {
		need(w, seg_aggregate_equal(p, truth, 1e-9), "%s %s: aggregates differ from those of the inputs", what,
		     customer_ids[c]);
		for (int s = 0; s < SEG_SOURCES; s++)
			need(w, p->applied[s] < w->group.next[s], "%s %s is ahead of the group's offsets", what,
			     customer_ids[c]);
	}
	check_decision(w, c, p, what);
}

void check_part(struct world *w, struct seg_part *part, const char *what)
{
	struct seg_error err = {SEG_OK, ""};
	struct seg_part_numbers n;
	uint64_t alive = 0;

	truth_make(w);
	for (int c = 0; c < CUSTOMERS; c++) {
		struct seg_profile *p = NULL;
		enum seg_rc rc = seg_part_find(part, seg_str_from(customer_ids[c]), &p, &err);

		need(w, rc == SEG_OK || rc == SEG_NOT_FOUND, "%s %s: %s", what, customer_ids[c], err.text);
		check_customer(w, c, p, what);
		alive += p != NULL;
		seg_profile_free(p);
	}
	seg_part_numbers(part, &n);
	need(w, n.faults == 0, "%s re-reading met a customer who is not there", what);
	if (!seg_part_has_work(part))
		need(w, n.customers == alive, "%s %llu customers are counted, %llu are there", what,
		     (unsigned long long)n.customers, (unsigned long long)alive);
}

static void check_chain(struct world *w, const struct output *o, struct held *h)
{
	const struct output *last = &h->last;
	bool same = last->n > 0 && last->birth_source == o->birth_source && last->birth_offset == o->birth_offset;
	uint64_t n = same ? last->n : 0, in = h->in[o->rule];

	need(w, same || is_out(h), "%s: a new life on an open chain", customer_ids[o->customer]);
	need(w, o->n == n + 1 && o->from == in && o->to != o->from,
	     "%s: chain of %d broken: change %llu from %llu to %llu comes after change %llu to %llu",
	     customer_ids[o->customer], o->rule, (unsigned long long)o->n, (unsigned long long)o->from,
	     (unsigned long long)o->to, (unsigned long long)n, (unsigned long long)in);
	h->in[o->rule] = o->to;
	h->last = *o;
}

void check_outputs(struct world *w)
{
	struct held held[CUSTOMERS];
	size_t bad = 0;

	memset(held, 0, sizeof held);
	for (size_t i = 0; i < w->outputs.len; i++) {
		const struct output *o = &w->outputs.items[i];

		check_chain(w, o, &held[o->customer]);
		if (!o->has_cause)
			continue;
		need(w, o->lo[o->source] <= o->offset && o->offset < o->hi[o->source],
		     "%s: a cause outside its transaction", customer_ids[o->customer]);
		for (size_t j = 0; j < i; j++) {
			const struct output *p = &w->outputs.items[j];

			need(w, !p->has_cause || p->source != o->source || p->offset != o->offset || p->rule != o->rule,
			     "%s: a record caused two changes", customer_ids[o->customer]);
		}
	}
	for (int s = 0; s < SEG_SOURCES; s++)
		for (size_t i = 0; i < w->inputs_len[s]; i++) {
			const struct input *in = &w->inputs[s][i];
			size_t n = 0;

			if (in->kind != IN_BAD)
				continue;
			for (size_t j = 0; j < w->dead_len; j++)
				n += w->dead[j].source == (enum seg_source)s && w->dead[j].offset == in->offset;
			need(w, n == (in->offset < w->group.next[s]), "refused record %d/%lld: %zu dead letters", s,
			     (long long)in->offset, n);
			bad += n;
		}
	need(w, bad == w->dead_len, "dead letters of records that are fine");
}
