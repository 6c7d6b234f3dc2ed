import { sample } from "./sample.js";

sample("e");
