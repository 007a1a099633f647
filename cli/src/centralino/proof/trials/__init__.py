"""Trials: the story on real processes while one part is killed, frozen, emptied or restarted."""
