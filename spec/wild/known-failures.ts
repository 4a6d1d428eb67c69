/**
 * What fails today, by client, each with its reason. An entry that no longer fails is itself a failure, so the list
 * empties as the hub is mended.
 */
export const KNOWN_FAILURES: Readonly<Record<string, string>> = {};
