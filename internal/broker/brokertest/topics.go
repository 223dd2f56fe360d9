package brokertest

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
)

func topicsAreCreatedOnceAndReported(s *suite) {
	specs := []broker.TopicSpec{
		s.spec("delivered", 3, map[string]string{"retention.ms": "2592000000", "max.message.bytes": "2097152"}),
		s.spec("raw", 2, map[string]string{"retention.ms": "-1", "retention.bytes": "1048576", "max.message.bytes": "16777216"}),
	}
	for _, first := range []bool{true, false} {
		got, err := s.client.EnsureTopics(s.ctx, specs, true)
		if err != nil {
			s.Fatal(err)
		}
		for i := range got {
			got[i].Replication, got[i].MinISR, got[i].Warnings = 0, 0, nil // the cluster's own
		}
		want := []broker.TopicReport{
			{Name: specs[0].Name, Created: first, Partitions: 3, MaxMessageBytes: 2097152, Retention: 30 * 24 * time.Hour, RetentionBytes: -1},
			{Name: specs[1].Name, Created: first, Partitions: 2, MaxMessageBytes: 16777216, Retention: -1, RetentionBytes: 1 << 20},
		}
		if d := cmp.Diff(want, got); d != "" {
			s.Errorf("first=%v reports (-want +got):\n%s", first, d)
		}
	}
	s.until("both are among all topics, in order", func() bool { // a cluster's brokers learn of them one after the other
		all, err := s.client.TopicNames(s.ctx)
		if err != nil {
			s.Fatal(err)
		}
		return slices.IsSorted(all) && slices.Contains(all, specs[0].Name) && slices.Contains(all, specs[1].Name)
	})
	got, err := s.client.Topics(s.ctx, specs[1].Name, s.prefix+".nothing")
	if err != nil || len(got) != 1 || got[0].Name != specs[1].Name || got[0].Replication < 1 || got[0].MinISR < 1 {
		s.Errorf("Topics = %+v, %v; want the one that exists, with its replication", got, err)
	}
}

func topicsAreOnlyChecked(s *suite) {
	there := s.topic("there", 1, nil)
	specs := []broker.TopicSpec{
		{Name: there, Partitions: 1, Embedded: s.Embedded},
		s.spec("a", 6, map[string]string{"retention.ms": "1000"}), s.spec("b", 2, nil),
	}
	got, err := s.client.EnsureTopics(s.ctx, specs, false)
	s.wantError(err, "2 topics are missing", "kafka.topics.create",
		"--create --topic "+specs[1].Name+" --partitions 6 --config retention.ms=1000", "--topic "+specs[2].Name)
	if len(got) != 1 || got[0].Name != there {
		s.Errorf("reports = %+v, want that of %s", got, there)
	}
	if found, err := s.client.Topics(s.ctx, specs[1].Name); err != nil || len(found) != 0 {
		s.Errorf("a check created %+v (%v)", found, err)
	}
}

func topicsAreCreatedByMany(s *suite) {
	const many = 4
	specs := []broker.TopicSpec{s.spec("a", 2, nil), s.spec("b", 2, nil), s.spec("c", 2, nil)}
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		created = map[string]int{}
	)
	for range many {
		client, err := broker.Dial(s.Options)
		if err != nil {
			s.Fatal(err)
		}
		defer client.Close()
		wg.Go(func() {
			reports, err := client.EnsureTopics(s.ctx, specs, true)
			if err != nil || len(reports) != len(specs) {
				s.Errorf("EnsureTopics = %d reports, %v", len(reports), err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range reports {
				if r.Created {
					created[r.Name]++
				}
			}
		})
	}
	wg.Wait()
	for _, spec := range specs {
		if created[spec.Name] != 1 {
			s.Errorf("%s was created %d times", spec.Name, created[spec.Name])
		}
	}
}

func topicsThatGiveLess(s *suite) {
	spec := s.spec("raw", 1, map[string]string{"max.message.bytes": "1000000", "retention.ms": "3600000"})
	s.topic("raw", 1, spec.Configs)
	spec.Partitions, spec.Configs = 4, map[string]string{"max.message.bytes": "16777216", "retention.ms": "7200000"}
	got, err := s.client.EnsureTopics(s.ctx, []broker.TopicSpec{spec}, true)
	if err != nil {
		s.Fatal(err)
	}
	said := strings.Join(got[0].Warnings, "\n")
	for _, want := range []string{spec.Name, "1 partitions", "asks for 4", "1000000 bytes where 16777216", "1h0m0s where 2h0m0s"} {
		if !strings.Contains(said, want) {
			s.Errorf("warnings do not say %q:\n%s", want, said)
		}
	}
	if durability := strings.Contains(said, "replicas"); s.Embedded && durability {
		s.Errorf("the embedded broker is warned about replicas:\n%s", said)
	} else if !s.Embedded && got[0].Replication < 3 && !durability {
		s.Errorf("nothing is said about %d replicas:\n%s", got[0].Replication, said)
	}
}

func topicsTheBrokerRefuses(s *suite) {
	good, many, name := s.spec("good", 1, nil), s.spec("many", 1, nil), s.spec("bad name", 1, nil)
	many.Replication = 100
	specs := []broker.TopicSpec{good, many}
	parts := []string{many.Name, "kafka.topics.replication"}
	if !s.Embedded { // which takes any name and setting
		setting := s.spec("setting", 1, map[string]string{"retention.ms": "soon"})
		specs = append(specs, name, setting)
		parts = append(parts, name.Name, "kafka.topics.prefix", setting.Name, "kafka.topics.retention")
	}
	got, err := s.client.EnsureTopics(s.ctx, specs, true)
	s.wantError(err, parts...)
	if len(got) != 1 || got[0].Name != good.Name || !got[0].Created {
		s.Errorf("reports = %+v, want that %s was created", got, good.Name)
	}
}
