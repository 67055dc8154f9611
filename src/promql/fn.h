/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions behind the table in functions.c. */
#ifndef RT_PROMQL_FN_H
#define RT_PROMQL_FN_H

#include "promql/eval.h"

#define RANGE_FN(name)                                                                                       \
	bool name(struct eval *ev, const struct expr *call, const struct window *w, struct vsample *out)
#define LANES_FN(name) void name(struct eval *ev, const struct expr *call, const struct window *w, size_t n, double *out)
#define VECTOR_FN(name) struct vec name(struct eval *ev, const struct expr *call)
#define EACH_FN(name) double name(double v, const double *args, size_t n)
#define SCALAR_FN(name) double name(struct eval *ev, const struct expr *call)

/* fn_math.c */
double fn_sgn(double v);
double fn_deg(double v);
double fn_rad(double v);
VECTOR_FN(fn_round);
VECTOR_FN(fn_clamp);
VECTOR_FN(fn_clamp_min);
VECTOR_FN(fn_clamp_max);
EACH_FN(fn_round_each);
EACH_FN(fn_clamp_each);
EACH_FN(fn_clamp_min_each);
EACH_FN(fn_clamp_max_each);
VECTOR_FN(fn_vector);
VECTOR_FN(fn_absent);
VECTOR_FN(fn_absent_over_time);
VECTOR_FN(fn_sort);
VECTOR_FN(fn_sort_desc);
VECTOR_FN(fn_sort_by_label);
VECTOR_FN(fn_sort_by_label_desc);
SCALAR_FN(fn_scalar);
SCALAR_FN(fn_time);
SCALAR_FN(fn_pi);
SCALAR_FN(fn_start);
SCALAR_FN(fn_end);
SCALAR_FN(fn_step);
SCALAR_FN(fn_range);
SCALAR_FN(fn_min_of);
SCALAR_FN(fn_max_of);

/* fn_time.c */
VECTOR_FN(fn_timestamp);
VECTOR_FN(fn_start_timestamp);
VECTOR_FN(fn_minute);
VECTOR_FN(fn_hour);
VECTOR_FN(fn_day_of_week);
VECTOR_FN(fn_day_of_month);
VECTOR_FN(fn_day_of_year);
VECTOR_FN(fn_days_in_month);
VECTOR_FN(fn_month);
VECTOR_FN(fn_year);

/* fn_label.c */
VECTOR_FN(fn_label_replace);
VECTOR_FN(fn_label_join);

/* Is it one of these two? */
bool fn_relabels(const struct expr *call);
/* What one of them makes of the N sets FROM, to TO; false: ev->err. */
bool fn_relabel(struct eval *ev, const struct expr *call, const struct labels *const *from, size_t n, const struct labels **to);

/* fn_rate.c */
RANGE_FN(fn_rate);
RANGE_FN(fn_increase);
RANGE_FN(fn_delta);
RANGE_FN(fn_irate);
RANGE_FN(fn_idelta);
RANGE_FN(fn_changes);
RANGE_FN(fn_resets);
RANGE_FN(fn_deriv);
RANGE_FN(fn_predict_linear);
RANGE_FN(fn_double_exponential_smoothing);

/* fn_over_time.c */
RANGE_FN(fn_avg_over_time);
RANGE_FN(fn_sum_over_time);
RANGE_FN(fn_min_over_time);
RANGE_FN(fn_max_over_time);
RANGE_FN(fn_count_over_time);
RANGE_FN(fn_last_over_time);
RANGE_FN(fn_first_over_time);
RANGE_FN(fn_present_over_time);
RANGE_FN(fn_stddev_over_time);
RANGE_FN(fn_stdvar_over_time);
RANGE_FN(fn_quantile_over_time);
RANGE_FN(fn_mad_over_time);
RANGE_FN(fn_ts_of_min_over_time);
RANGE_FN(fn_ts_of_max_over_time);
RANGE_FN(fn_ts_of_last_over_time);
RANGE_FN(fn_ts_of_first_over_time);

/* fn_lanes.c */
LANES_FN(fn_sum_lanes);
LANES_FN(fn_avg_lanes);
LANES_FN(fn_min_lanes);
LANES_FN(fn_max_lanes);
LANES_FN(fn_stddev_lanes);
LANES_FN(fn_stdvar_lanes);
LANES_FN(fn_deriv_lanes);
LANES_FN(fn_predict_lanes);

/* fn_histogram.c */
VECTOR_FN(fn_histogram_quantile);
VECTOR_FN(fn_histogram_quantiles);
VECTOR_FN(fn_histogram_fraction);
VECTOR_FN(fn_histogram_count);
VECTOR_FN(fn_histogram_sum);
VECTOR_FN(fn_histogram_avg);
VECTOR_FN(fn_histogram_stddev);
VECTOR_FN(fn_histogram_stdvar);

/* fn_info.c */
VECTOR_FN(fn_info);

/* The float samples of W, histograms left out, in the step's arena; W's own if it has no histograms. Where
 * both occur an info annotation says that histograms were ignored. */
const struct sample *window_floats(struct eval *ev, const struct window *w, size_t *n);
/* Has W floats and histograms, of which its function takes one kind only? Then a warning says so. */
bool window_is_mixed(struct eval *ev, const struct window *w);

#endif
