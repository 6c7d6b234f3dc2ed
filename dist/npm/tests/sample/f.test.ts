import { sample } from "./sample.js";

sample("f");
