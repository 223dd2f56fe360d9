// Command composecheck reads a Compose file as `docker compose config -q` does,
// references between services and volumes included, with the library that
// Compose is made of; it needs no docker client. It prints nothing when all is
// well.
//
//	go run -C internal/tools ./composecheck ../../docker-compose.yml
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if err := check(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "composecheck: %v\n", err)
		os.Exit(1)
	}
}

// check loads the project that the files describe.
func check(files []string) error {
	options, err := cli.NewProjectOptions(files, cli.WithInterpolation(true), cli.WithConsistency(true))
	if err != nil {
		return err
	}
	_, err = options.LoadProject(context.Background())
	return err
}
