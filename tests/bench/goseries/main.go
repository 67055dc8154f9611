// SPDX-License-Identifier: GPL-2.0-or-later

// Command goseries serves, through client_golang, the very series of a scrape that it reads from its standard input: the
// other side of the comparison of scrape times.
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

func names(m *dto.Metric) (out []string) {
	for _, l := range m.GetLabel() {
		out = append(out, l.GetName())
	}
	return out
}

func labels(m *dto.Metric) prometheus.Labels {
	out := prometheus.Labels{}
	for _, l := range m.GetLabel() {
		out[l.GetName()] = l.GetValue()
	}
	return out
}

func bounds(h *dto.Histogram) (out []float64) {
	for _, b := range h.GetBucket() {
		out = append(out, b.GetUpperBound())
	}
	return out[:len(out)-1] // +Inf is client_golang's own
}

// add registers one family with all its series. A family whose series differ in label names is left out.
func add(registry *prometheus.Registry, name string, family *dto.MetricFamily) {
	first := family.GetMetric()[0]
	for _, m := range family.GetMetric() {
		if len(m.GetLabel()) != len(first.GetLabel()) {
			return
		}
	}
	switch family.GetType() {
	case dto.MetricType_COUNTER:
		vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: family.GetHelp()}, names(first))
		registry.MustRegister(vec)
		for _, m := range family.GetMetric() {
			vec.With(labels(m)).Add(m.GetCounter().GetValue())
		}
	case dto.MetricType_GAUGE:
		vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: family.GetHelp()}, names(first))
		registry.MustRegister(vec)
		for _, m := range family.GetMetric() {
			vec.With(labels(m)).Set(m.GetGauge().GetValue())
		}
	case dto.MetricType_HISTOGRAM:
		vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: family.GetHelp(), Buckets: bounds(first.GetHistogram()),
		}, names(first))
		registry.MustRegister(vec)
		for _, m := range family.GetMetric() {
			vec.With(labels(m)).Observe(m.GetHistogram().GetSampleSum())
		}
	}
}

func main() {
	var parser expfmt.TextParser
	families, err := parser.TextToMetricFamilies(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	for name, family := range families {
		add(registry, name, family)
	}
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
