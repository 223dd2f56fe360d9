package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/broker"
)

// kafka examines the brokers and, if they answer, the topics.
func (e *examination) kafka(ctx context.Context) {
	client, err := app.Dial(e.Config, app.Brokers(e.Config))
	if err != nil {
		e.found("kafka", Fail, "correct the setting it names", "%v", err)
		return
	}
	defer client.Close()
	if !e.reachable(ctx, client) {
		return
	}
	e.topics(ctx, client)
}

// reachable reports whether a broker answers, and how it was reached.
func (e *examination) reachable(ctx context.Context, client *broker.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	where := strings.Join(app.Brokers(e.Config), ", ")
	start := e.Now()
	err := client.Ping(ctx)
	switch {
	case err == nil && e.other && e.Config.EmbeddedBroker():
		e.found("kafka", Warn, "", "%s answers, but it is the other installation's embedded broker: its topics are not looked at", where)
		return false
	case err == nil:
		e.found("kafka", OK, "", "%s answers after %s (%s)", where, e.Now().Sub(start).Round(100*time.Microsecond), e.connection())
		return true
	case e.Config.EmbeddedBroker() && !e.running:
		e.found("kafka", Note, "start `postrider serve`", "the embedded broker at %s is not running", where)
	default:
		e.found("kafka", Fail, "", "%v", err)
	}
	return false
}

// connection says how the brokers are talked to.
func (e *examination) connection() string {
	k := e.Config.Kafka
	if e.Config.EmbeddedBroker() {
		return "the embedded broker, plaintext, for this machine only"
	}
	how := "plaintext"
	if k.TLS.Enabled {
		how = "TLS"
		if k.TLS.CertFile != "" {
			how = "mutual TLS"
		}
	}
	if k.SASL.Mechanism != "" {
		return how + ", SASL " + k.SASL.Mechanism + " as " + k.SASL.Username
	}
	return how + ", no SASL"
}

// topics examines every topic of the configuration.
func (e *examination) topics(ctx context.Context, client *broker.Client) {
	specs := app.EveryTopic(e.Config, e.Config.EmbeddedBroker())
	reports, err := client.EnsureTopics(ctx, specs, false)
	var missing *broker.MissingTopicsError
	switch {
	case errors.As(err, &missing) && e.Config.Kafka.Topics.Create == "missing":
		e.found("topics", Warn, "run `postrider topics create`, or start `postrider serve`, which makes them",
			"%d of %d topics do not exist yet: %s", len(missing.Specs), len(specs), specNames(missing.Specs))
	case errors.As(err, &missing):
		e.found("topics", Fail, "create them (kafka.topics.create is never): `postrider topics create` does it once",
			"%d of %d topics do not exist: %s", len(missing.Specs), len(specs), specNames(missing.Specs))
	case err != nil:
		e.found("topics", Fail, "", "%v", err)
	default:
		e.found("topics", OK, "", "all %d topics are there", len(specs))
	}
	e.topicWarnings(reports)
}

// topicWarnings reports each kind of warning once, with the topics it is about.
func (e *examination) topicWarnings(reports []broker.TopicReport) {
	var kinds []string
	about := map[string][]string{}
	for _, r := range reports {
		for _, w := range r.Warnings {
			kind := strings.TrimPrefix(w, "topic "+r.Name+": ")
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
			about[kind] = append(about[kind], r.Name)
		}
	}
	for _, kind := range kinds {
		e.found("topics", Warn, "", "%s: %s", some(about[kind]), kind)
	}
}

// specNames lists topics, not all if there are many.
func specNames(specs []broker.TopicSpec) string {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	return some(names)
}

// some names up to four and counts the others.
func some(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most-1], ", ") + " and " + plural(len(names)-most+1, "other")
}
