package spool

const childDir = "POSTRIDER_TEST_SPOOL_CHILD"

func runChild(string) int { return 0 }
