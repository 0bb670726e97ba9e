// SPDX-License-Identifier: Apache-2.0

package status

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the figures of DESIGN 6, in a registry of their own. All methods
// may be called from any goroutine.
type Metrics struct {
	registry   *prometheus.Registry
	requests   *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	sentBytes  prometheus.Counter
	generation prometheus.Gauge
	reloads    *prometheus.CounterVec
	expiry     *prometheus.GaugeVec
	signed     prometheus.Counter
	encrypted  prometheus.Counter
	lscIssued  prometheus.Counter
}

// NewMetrics makes the figures, all at zero.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cfgsrv_requests_total", Help: "Requests that ended, by listener and outcome.",
		}, []string{"listener", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cfgsrv_request_seconds", Help: "Time from the question to the last byte, by listener.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}, []string{"listener"}),
		sentBytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cfgsrv_sent_bytes_total", Help: "Bytes of file content sent.",
		}),
		generation: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cfgsrv_generation", Help: "Number of the running generation.",
		}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cfgsrv_reloads_total", Help: "Attempts to load a new generation, by result (ok, failed).",
		}, []string{"result"}),
		expiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cfgsrv_certificate_expiry_seconds", Help: "Unix time at which the unit's certificate ends.",
		}, []string{"unit"}),
		signed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cfgsrv_signed_total", Help: "Files and trust lists signed.",
		}),
		encrypted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cfgsrv_encrypted_total", Help: "Configurations encrypted.",
		}),
		lscIssued: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cfgsrv_lsc_issued_total", Help: "Device certificates (LSC) issued.",
		}),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.sentBytes, m.generation, m.reloads,
		m.expiry, m.signed, m.encrypted, m.lscIssued,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Request counts one request that ended.
func (m *Metrics) Request(r Request) {
	m.requests.WithLabelValues(r.Listener, r.Outcome).Inc()
	m.seconds.WithLabelValues(r.Listener).Observe(r.Took.Seconds())
	m.sentBytes.Add(float64(max(r.Bytes, 0)))
}

// InProgress makes cfgsrv_requests_in_progress read the number of requests
// being answered from count. It is called at most once.
func (m *Metrics) InProgress(count func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cfgsrv_requests_in_progress", Help: "Requests being answered now.",
	}, func() float64 { return float64(count()) }))
}

// Reloaded counts one attempt to load a new generation.
func (m *Metrics) Reloaded(err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.reloads.WithLabelValues(result).Inc()
}

// Generation tells the number of the running generation and when each unit's
// certificate ends.
func (m *Metrics) Generation(number uint64, ends map[string]time.Time) {
	m.generation.Set(float64(number))
	m.expiry.Reset()
	for unit, t := range ends {
		m.expiry.WithLabelValues(unit).Set(float64(t.Unix()))
	}
}

// Signed, Encrypted and LSCIssued count one artefact each.
func (m *Metrics) Signed() { m.signed.Inc() }

// Encrypted counts one configuration that was encrypted.
func (m *Metrics) Encrypted() { m.encrypted.Inc() }

// LSCIssued counts one device certificate.
func (m *Metrics) LSCIssued() { m.lscIssued.Inc() }

// Entropy makes cfgsrv_entropy_healthy read whether the random source is
// watched and passes its tests, and cfgsrv_entropy_failures_total the alarms of
// each test. It is called at most once.
func (m *Metrics) Entropy(passes func() bool, byTest map[string]func() uint64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cfgsrv_entropy_healthy",
		Help: "1 while the random source passes its health tests; 0 while it does not, or nobody looks.",
	}, func() float64 {
		if passes() {
			return 1
		}
		return 0
	}))
	for test, count := range byTest {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name:        "cfgsrv_entropy_failures_total",
			Help:        "Alarms of the health tests of the random source, by test.",
			ConstLabels: prometheus.Labels{"test": strings.ToLower(test)},
		}, func() float64 { return float64(count()) }))
	}
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
