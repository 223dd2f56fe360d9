package main

import "flag"

// targetNames are the values of -targets, in the order of the tables.
func targetNames() []string {
	return []string{
		targetEcho, targetProduce, yardstickRole, targetKafka, targetKafkaBroker, targetKafkaSpoolFirst, targetSync, targetNoSync,
		targetOTel, targetCamel, targetTelegraf,
	}
}

// versusFlags are the flags of the comparison with peers.
func (o *options) versusFlags(f *flag.FlagSet) {
	f.BoolVar(&o.versus, "peers", false, "measure beside other programs, which are installed by Go's and Maven's package managers, and kill the broker and each of them under load; "+
		"starts a Kafka of its own (java and mvn are needed) unless -brokers names one")
	f.StringVar(&o.kafkaDir, "kafka-dir", "", "with -peers and -brokers: `folder` (-d) of kafka-up.sh, whose one node may be killed; without it the broker is left alone")
	f.BoolVar(&o.faults, "faults", true, "with -peers: kill the broker and every target under load")
	f.StringVar(&o.settings, "settings", "", "for child processes")
}
