/* SPDX-License-Identifier: Apache-2.0 */
/* Expositions and the verdict of `promtool check metrics` on each: the unit test holds our parser to it, the integration
 * test holds the table to promtool. A row whose ours differs says why. */
#ifndef MG_TESTS_EXPOSITIONS_H
#define MG_TESTS_EXPOSITIONS_H

#include <stdbool.h>
#include <stddef.h>

struct exposition {
	const char *text;
	size_t len;
	bool promtool;      /* promtool accepts it */
	const char *unlike; /* we decide the other way, and this is why; NULL: we agree */
};

#define ACCEPT(text) \
	{ \
		text, sizeof text - 1, true, NULL \
	}
#define REJECT(text) \
	{ \
		text, sizeof text - 1, false, NULL \
	}
#define UNLIKE(text, ok, why) \
	{ \
		text, sizeof text - 1, ok, why \
	}
#define ONES_10 "1111111111"

static const struct exposition expositions[] = {
	/* lines and their ends */
	ACCEPT("foo 1\n"),
	REJECT("foo 1"),
	ACCEPT(""),
	ACCEPT("\n"),
	REJECT("foo\n"),
	REJECT("foo 1 \n"),
	ACCEPT("foo  1\n"),
	ACCEPT("foo\t1\n"),
	ACCEPT(" foo 1\n"),
	ACCEPT("foo 1\n\n\nbar 2\n"),
	REJECT("foo 1\r\n"),
	REJECT("foo{a=\"b\""),
	REJECT("foo{a=\"b\"} 1 123"),
	REJECT("# HELP foo x"),
	REJECT("foo 1\n# no newline"),
	REJECT("foo 1\n\0\n"),
	/* values */
	REJECT("foo 0x1p4\n"),
	REJECT("foo 1e400\n"),
	ACCEPT("foo 1e-400\n"),
	REJECT("foo 1_000\n"),
	ACCEPT("foo inf\n"),
	ACCEPT("foo Nan\n"),
	ACCEPT("foo +Inf\n"),
	ACCEPT("foo -infinity\n"),
	REJECT("foo +nan\n"),
	REJECT("foo nan(1)\n"),
	REJECT("foo Infinit\n"),
	ACCEPT("foo .5\n"),
	ACCEPT("foo 5.\n"),
	REJECT("foo .\n"),
	REJECT("foo 1e\n"),
	ACCEPT("foo 1.0E+03\n"),
	REJECT("foo 1e5e5\n"),
	ACCEPT("foo 00012\n"),
	REJECT("foo 1,2\n"),
	REJECT("foo -\n"),
	REJECT("foo --1\n"),
	UNLIKE("foo " ONES_10 ONES_10 ONES_10 ONES_10 ONES_10 ONES_10 ONES_10 "\n", true,
	       "a number of 64 characters and more: nothing writes them"),
	/* timestamps */
	ACCEPT("foo 1 123\n"),
	REJECT("foo 1 123 \n"),
	REJECT("foo 1 123 x\n"),
	REJECT("foo 1 1.5\n"),
	ACCEPT("foo 1 -5\n"),
	ACCEPT("foo 1 +5\n"),
	REJECT("foo 1 99999999999999999999\n"),
	REJECT("foo 1 0x5\n"),
	REJECT("foo 1 1e3\n"),
	REJECT("foo 1 1_0\n"),
	ACCEPT("foo{a=\"b\"}  3.5e-7\t17\n"),
	ACCEPT("foo\t{a=\"b\"}\t1\t5\n"),
	/* labels */
	ACCEPT("foo{} 1\n"),
	ACCEPT("foo{a=\"b\"} 1\n"),
	ACCEPT("foo{a=\"b\",} 1\n"),
	ACCEPT("foo{a=\"b\", } 1\n"),
	REJECT("foo{,} 1\n"),
	REJECT("foo{a=\"b\",,} 1\n"),
	ACCEPT("foo { a = \"b\" , c = \"d\" } 1\n"),
	ACCEPT("foo{a=\"b\"}1\n"),
	REJECT("foo{a=\"b\"} \n"),
	REJECT("foo{a=b} 1\n"),
	REJECT("foo{a='b'} 1\n"),
	REJECT("foo{a=\"b\" c=\"d\"} 1\n"),
	REJECT("foo{a=\"b\",a=\"c\"} 1\n"),
	REJECT("foo{le=\"1\",le=\"2\"} 1\n"),
	REJECT("foo{a=\"\\q\"} 1\n"),
	REJECT("foo{a=\"\\u00e9\"} 1\n"),
	ACCEPT("foo{a=\"\\\\\\n\\\"\"} 1\n"),
	REJECT("foo{a=\"x\ny\"} 1\n"),
	REJECT("foo{a=\"b\" 1\n"),
	REJECT("foo{a=\"b\"\n} 1\n"),
	REJECT("foo{__name__=\"b\"} 1\n"),
	REJECT("foo{1a=\"b\"} 1\n"),
	REJECT("foo{a:b=\"c\"} 1\n"),
	REJECT("foo{\"a\"=\"b\"} 1\n"),
	REJECT("foo{a=\"\xff\"} 1\n"),
	REJECT("foo{a=\"\xc0\x80\"} 1\n"),
	REJECT("foo{a=\"\xed\xa0\x80\"} 1\n"),
	REJECT("foo{a=\"\xf4\x90\x80\x80\"} 1\n"),
	ACCEPT("foo{a=\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"} 1\n"),
	ACCEPT("foo{a=\"\0\"} 1\n"),
	/* names */
	REJECT("1foo 1\n"),
	ACCEPT(":foo:x 1\n"),
	REJECT("foo-bar 1\n"),
	REJECT("{a=\"b\"} 1\n"),
	REJECT("f\xc3\xb6o 1\n"),
	/* comments */
	ACCEPT("# \n"),
	ACCEPT("#\n"),
	ACCEPT("#foo\n"),
	ACCEPT("# HELP\n"),
	ACCEPT("# HELP foo\n"),
	ACCEPT("# HELP foo \n"),
	ACCEPT("#\tHELP\tfoo\tbar\n"),
	ACCEPT("\t# HELP foo x\n"),
	REJECT("# HELP foo a\\qb\n"),
	ACCEPT("# HELP foo a\\\\b\\nc\n"),
	REJECT("# HELP foo a\\\"b\n"),
	REJECT("# HELP foo x\\\n"),
	REJECT("# HELP foo a\n# HELP foo b\n"),
	REJECT("# HELP 1foo a\n"),
	REJECT("# HELP foo-x a\n"),
	ACCEPT("foo 1\n# HELP foo x\n"),
	ACCEPT("# EOF\n"),
	ACCEPT("foo 1\n# EOF\nfoo 2\n"),
	ACCEPT("# UNIT foo seconds\n"),
	REJECT("foo 1 # {a=\"b\"} 1\n"),
	/* types */
	ACCEPT("# TYPE foo\n"),
	ACCEPT("# TYPE foo counter\n"),
	ACCEPT("# TYPE foo Counter\n"),
	REJECT("# TYPE foo counter \n"),
	REJECT("# TYPE foo counter x\n"),
	REJECT("# TYPE foo bogus\n"),
	REJECT("#TYPE foo bogus\n"),
	REJECT("# TYPE foo unknown\n"),
	REJECT("# TYPE foo gaugehistogram\n"),
	ACCEPT("# TYPE foo gauge_histogram\n"),
	REJECT("# TYPE foo info\n"),
	ACCEPT("# TYPE  foo\tcounter\nfoo 1\n"),
	REJECT("# TYPE foo counter\n# TYPE foo counter\n"),
	REJECT("foo 1\n# TYPE foo counter\n"),
	REJECT("foo{a=\"1\"} 1\nbar 1\n# TYPE foo gauge\n"),
	ACCEPT("# TYPE foo_total counter\nfoo_total -1\n"),
	ACCEPT("# TYPE c counter\n# TYPE c_sum gauge\n"),
	ACCEPT("# HELP foo x\n# TYPE foo gauge\nfoo 1\n# TYPE bar gauge\nbar 2\n"),
	/* the same series twice, families that are not together */
	ACCEPT("foo 1\nfoo 2\n"),
	ACCEPT("foo{a=\"1\"} 1\nfoo{a=\"1\"} 2\n"),
	ACCEPT("foo 1\nbar 1\nfoo 2\n"),
	/* histograms and summaries */
	ACCEPT("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n"),
	REJECT("# TYPE h histogram\nh_bucket{le=\"x\"} 1\n"),
	ACCEPT("h_bucket{le=\"x\"} 1\n"),
	ACCEPT("# TYPE h histogram\nh_bucket 1\n"),
	ACCEPT("# TYPE h histogram\nh 1\n"),
	ACCEPT("# TYPE h histogram\nh_count NaN\n"),
	ACCEPT("# TYPE h histogram\nh_count -1\n"),
	ACCEPT("# TYPE h histogram\nh_bucket{le=\"NaN\"} 1\n"),
	REJECT("# TYPE h histogram\nh_sum 1\n# TYPE h_count counter\n"),
	REJECT("# TYPE h histogram\n# TYPE h_sum gauge\n"),
	REJECT("# TYPE s summary\n# HELP s_count x\n# HELP s y\n"),
	ACCEPT("# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 2\n"),
	REJECT("# TYPE s summary\ns{quantile=\"x\"} 1\n"),
	ACCEPT("s{quantile=\"x\"} 1\n"),
	UNLIKE("# TYPE h histogram\nh_bucket{le=\"1\",le=\"2\"} 1\n", true,
	       "a label twice is an error everywhere, also for le, which promtool lets pass"),
};
#define N_EXPOSITIONS (sizeof expositions / sizeof expositions[0])

/* OpenMetrics, and whether a Prometheus server takes it when it scrapes. */
struct openmetrics {
	const char *text;
	bool prometheus;
	const char *unlike; /* as above */
};

#define TAKES(text) \
	{ \
		text, true, NULL \
	}
#define REFUSES(text) \
	{ \
		text, false, NULL \
	}

static const struct openmetrics openmetrics[] = {
	TAKES("# EOF\n"),
	TAKES("# EOF"),
	REFUSES(""),
	REFUSES("foo 1\n"),
	TAKES("foo 1\n# EOF\n"),
	REFUSES("foo 1\n# EOF\n\n"),
	REFUSES("foo 1\n# EOF\nbar 1\n"),
	REFUSES("foo 1\n\n# EOF\n"),
	REFUSES("foo 1\r\n# EOF\n"),
	REFUSES("foo 1\n# EOF\r\n"),
	REFUSES(" foo 1\n# EOF\n"),
	REFUSES("foo  1\n# EOF\n"),
	REFUSES("foo\t1\n# EOF\n"),
	REFUSES("foo 1\t5\n# EOF\n"),
	REFUSES("foo 1 \n# EOF\n"),
	REFUSES("foo 1 2 3\n# EOF\n"),
	REFUSES("foo 1 NaN\n# EOF\n"),
	REFUSES("foo 1 +Inf\n# EOF\n"),
	TAKES("foo 1 1.5\n# EOF\n"),
	REFUSES("foo 0x1p4\n# EOF\n"),
	TAKES("foo{} 1\n# EOF\n"),
	TAKES("foo{a=\"b\"} 1\n# EOF\n"),
	REFUSES("foo{a=\"b\",} 1\n# EOF\n"),
	REFUSES("foo{a=\"b\"}1\n# EOF\n"),
	REFUSES("foo{ a=\"b\"} 1\n# EOF\n"),
	TAKES("foo{a=\"\\q\"} 1\n# EOF\n"),
	REFUSES("foo{a=\"b\",a=\"c\"} 1\n# EOF\n"),
	TAKES("foo_total{a=\"b\"} 1 # {t=\"x\"} 0.5\n# EOF\n"),
	TAKES("foo_total{a=\"b\"} 1 2 # {t=\"x\"} 0.5 3.5\n# EOF\n"),
	TAKES("foo_total 1 # {} 0.5\n# EOF\n"),
	REFUSES("foo_total 1 # 0.5\n# EOF\n"),
	REFUSES("foo_total 1 #{} 0.5\n# EOF\n"),
	REFUSES("foo_total 1 # {t=\"x\"}\n# EOF\n"),
	REFUSES("foo_total 1 # {t=\"x\"} x\n# EOF\n"),
	REFUSES("foo_total 1 # {t=\"x\"} 1 2 3\n# EOF\n"),
	TAKES("# TYPE foo counter\nfoo_total 1\nfoo_created 5\n# EOF\n"),
	REFUSES("# TYPE foo Counter\n# EOF\n"),
	TAKES("# TYPE foo unknown\n# EOF\n"),
	REFUSES("# TYPE foo untyped\n# EOF\n"),
	TAKES("# TYPE foo stateset\n# EOF\n"),
	TAKES("# TYPE foo gaugehistogram\n# EOF\n"),
	TAKES("# TYPE foo info\n# EOF\n"),
	REFUSES("# TYPE foo\n# EOF\n"),
	TAKES("# HELP foo any \\q text\n# EOF\n"),
	TAKES("# UNIT foo_seconds seconds\n# EOF\n"),
	REFUSES("# UNIT foo seconds\n# EOF\n"),
	REFUSES("# UNIT seconds seconds\n# EOF\n"),
	REFUSES("# any comment\n# EOF\n"),
	REFUSES("#HELP foo x\n# EOF\n"),
	/* exemplars: of counters and buckets alone, by their names */
	REFUSES("foo 1 # {t=\"x\"} 0.5\n# EOF\n"),
	TAKES("foo_bucket{le=\"1\"} 1 # {} 0.5\n# EOF\n"),
	TAKES("foo_total 1 # {t=\"x\"} NaN\n# EOF\n"),
	REFUSES("foo_total 1 # {t=\"x\",} 0.5\n# EOF\n"),
	{ "foo_total 1 # {a=\"b\",a=\"c\"} 0.5\n# EOF\n", true, "a label twice is an error everywhere" },
	/* what the specification forbids and the server takes, so do we */
	TAKES("# TYPE foo counter\n# TYPE foo counter\n# EOF\n"),
	TAKES("foo 1\n# TYPE foo counter\n# EOF\n"),
	TAKES("# HELP foo a\n# HELP foo b\n# EOF\n"),
	TAKES("# TYPE h histogram\nh_bucket{le=\"x\"} 1\n# EOF\n"),
	TAKES("# HELP foo \n# EOF\n"),
	REFUSES("# HELP foo\n# EOF\n"),
	TAKES("# UNIT foo \n# EOF\n"),
	TAKES("foo -1 -1.5\n# EOF\n"),
	REFUSES("foo 1 1e400\n# EOF\n"),
	REFUSES("foo{__name__=\"x\"} 1\n# EOF\n"),
};
#define N_OPENMETRICS (sizeof openmetrics / sizeof openmetrics[0])

#endif
